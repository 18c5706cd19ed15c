package ecs

import "github.com/aws/aws-sdk-go-v2/service/ecs/types"

// rebalanceNew says whether a new service keeps its tasks even over availability
// zones: unless something else was said, where it can.
func rebalanceNew(in types.AvailabilityZoneRebalancing, c DeploymentConfig) (bool, error) {
	if in == types.AvailabilityZoneRebalancingEnabled && !rebalanceable(c) {
		return false, cannotRebalance("created")
	}
	return in != types.AvailabilityZoneRebalancingDisabled && rebalanceable(c), nil
}

// rebalanceable says that a task more may run while one moves.
func rebalanceable(c DeploymentConfig) bool { return c.MaximumPercent > 100 }

func cannotRebalance(done string) error {
	return invalid("The service couldn't be %s because Availability Zone Rebalancing does not support maximumPercent <= 100 %% as deployment configuration.", done)
}

func (s *Service) rebalancing() types.AvailabilityZoneRebalancing {
	if s.Rebalance {
		return types.AvailabilityZoneRebalancingEnabled
	}
	return types.AvailabilityZoneRebalancingDisabled
}
