package service

import (
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/service/ecs"
)

// configure reads a deployment configuration over what was set before.
func configure(in *types.DeploymentConfiguration, c ecs.DeploymentConfig) (ecs.DeploymentConfig, error) {
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
		c.Breaker = ecs.Breaker{Enable: b.Enable, Rollback: b.Rollback}
	}
	var err error
	if c.Method, err = readStrategy(c.Method, in); err != nil {
		return c, err
	}
	switch {
	case c.MinimumHealthyPercent < 0 || c.MinimumHealthyPercent > 100:
		return c, ecs.Invalid("minimumHealthyPercent must be between 0 and 100.")
	case c.MaximumPercent < 100 || c.MaximumPercent > 2000:
		return c, ecs.Invalid("maximumPercent must be between 100 and 2000.")
	case c.MinimumHealthyPercent == 100 && c.MaximumPercent == 100:
		return c, ecs.Invalid("Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments.")
	}
	return c, nil
}

// rebalanceNew says whether a new service keeps its tasks even over availability
// zones: unless something else was said, where it can.
func rebalanceNew(in types.AvailabilityZoneRebalancing, c ecs.DeploymentConfig) (bool, error) {
	if in == types.AvailabilityZoneRebalancingEnabled && !rebalanceable(c) {
		return false, cannotRebalance("created")
	}
	return in != types.AvailabilityZoneRebalancingDisabled && rebalanceable(c), nil
}

// rebalanceable says that a task more may run while one moves.
func rebalanceable(c ecs.DeploymentConfig) bool { return c.MaximumPercent > 100 }

func cannotRebalance(done string) error {
	return ecs.Invalid("The service couldn't be %s because Availability Zone Rebalancing does not support maximumPercent <= 100 %% as deployment configuration.", done)
}

func rebalancing(s *ecs.Service) types.AvailabilityZoneRebalancing {
	if s.Rebalance {
		return types.AvailabilityZoneRebalancingEnabled
	}
	return types.AvailabilityZoneRebalancingDisabled
}
