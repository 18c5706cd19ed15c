package ecs

import (
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// configure reads a deployment configuration over what was set before.
func configure(in *types.DeploymentConfiguration, c DeploymentConfig) (DeploymentConfig, error) {
	if in == nil {
		return c, nil
	}
	if in.MinimumHealthyPercent != nil {
		c.MinimumHealthyPercent = *in.MinimumHealthyPercent
	}
	if in.MaximumPercent != nil {
		c.MaximumPercent = *in.MaximumPercent
	}
	if b := in.DeploymentCircuitBreaker; b != nil {
		c.Breaker = Breaker{Enable: b.Enable, Rollback: b.Rollback}
	}
	var err error
	if c.Method, err = c.Method.read(in); err != nil {
		return c, err
	}
	switch {
	case c.MinimumHealthyPercent < 0 || c.MinimumHealthyPercent > 100:
		return c, invalid("minimumHealthyPercent must be between 0 and 100.")
	case c.MaximumPercent < 100 || c.MaximumPercent > 2000:
		return c, invalid("maximumPercent must be between 100 and 2000.")
	case c.MinimumHealthyPercent == 100 && c.MaximumPercent == 100:
		return c, invalid("Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments.")
	}
	return c, nil
}

// configuration returns the configuration as the API has it.
func (c DeploymentConfig) configuration() *types.DeploymentConfiguration {
	out := &types.DeploymentConfiguration{
		MinimumHealthyPercent: &c.MinimumHealthyPercent, MaximumPercent: &c.MaximumPercent,
		DeploymentCircuitBreaker: &types.DeploymentCircuitBreaker{Enable: c.Breaker.Enable, Rollback: c.Breaker.Rollback},
	}
	c.Method.wire(out)
	return out
}

// Threshold is how many failed tasks of a service deployment trip the circuit
// breaker: half of the desired count, at least 3 and at most 200.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
func Threshold(desired int32) int32 { return min(max((desired+1)/2, 3), 200) }
