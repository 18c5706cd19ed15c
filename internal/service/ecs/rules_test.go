package ecs_test

import (
	"context"
	"maps"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/awserr"
)

// The rules of the simulated balancer: production, and for tests.
const (
	prod = "arn:aws:elasticloadbalancing:us-west-2:111122223333:listener-rule/app/lb/1/2/3"
	test = "arn:aws:elasticloadbalancing:us-west-2:111122223333:listener-rule/app/lb/1/2/4"
	role = "arn:aws:iam::111122223333:role/ecs"
)

func newRules() map[string]map[string]int32 {
	return map[string]map[string]int32{prod: {"tg-blue": 1}, test: {"tg-green": 1}}
}

func (b *balancing) Weights(_ context.Context, rule string) (map[string]int32, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := spoil(b.mood); err != nil {
		return nil, err
	}
	w, ok := b.rules[rule]
	if !ok {
		return nil, awserr.New("RuleNotFound", "One or more rules not found")
	}
	return maps.Clone(w), nil
}

func (b *balancing) Shift(_ context.Context, rule string, weights map[string]int32) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	w, ok := b.rules[rule]
	if !ok {
		return awserr.New("RuleNotFound", "One or more rules not found")
	}
	w = maps.Clone(w)
	maps.Copy(w, weights)
	b.rules[rule] = w
	return spoil(b.mood)
}

// attached says whether a rule forwards to the group: its targets are checked.
func (b *balancing) attached(group string) bool {
	for _, w := range b.rules {
		if _, ok := w[group]; ok {
			return true
		}
	}
	return false
}

// serves returns the weights of a rule.
func (b *balancing) serves(rule string) (blue, green int32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rules[rule]["tg-blue"], b.rules[rule]["tg-green"]
}

// shifted puts a service behind tg-blue and tg-green with a strategy.
func shifted(c types.DeploymentConfiguration) func(*sdk.CreateServiceInput) {
	return func(in *sdk.CreateServiceInput) {
		in.DeploymentConfiguration = &c
		in.LoadBalancers = []types.LoadBalancer{{
			TargetGroupArn: aws.String("tg-blue"), ContainerName: aws.String("web"), ContainerPort: aws.Int32(8080),
			AdvancedConfiguration: &types.AdvancedConfiguration{
				AlternateTargetGroupArn: aws.String("tg-green"), ProductionListenerRule: aws.String(prod), TestListenerRule: aws.String(test), RoleArn: aws.String(role),
			},
		}}
	}
}
