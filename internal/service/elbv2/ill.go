package elbv2

import "github.com/skylift/skylift/internal/store"

// Ill tells the balancers, by their ARNs, that names should not lead to: one of the groups that they forward to has targets, and none
// that is healthy. A group without targets says nothing
// (https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resource-record-sets-values-failover-alias.html).
func Ill(tx store.Tx) (map[string]bool, error) {
	targets, well := map[string]int{}, map[string]int{}
	for t, err := range Targets.Peek(tx, "") {
		if err != nil {
			return nil, err
		}
		if t.DeregisteredAt.IsZero() {
			targets[t.Group]++
		}
	}
	for h, err := range Healths.Peek(tx, "") {
		if err != nil {
			return nil, err
		}
		if h.State == StateHealthy {
			well[h.Group]++
		}
	}
	ill := map[string]bool{}
	for r, err := range Rules.Peek(tx, "") {
		if err != nil {
			return nil, err
		}
		for _, g := range r.Action.Groups() {
			if targets[g] > 0 && well[g] == 0 {
				ill[r.LoadBalancer] = true
			}
		}
	}
	return ill, nil
}
