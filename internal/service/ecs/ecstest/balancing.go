package ecstest

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/policy/session"
)

// Balancing is a load balancer whose targets get healthy after two seconds and
// drain for one. It has the target group tg, and tg-blue and tg-green behind
// the rules of rules_test.go.
type Balancing struct {
	mu      sync.Mutex
	Targets map[string]*target
	Rules   map[string]map[string]int32
	Gone    string // a group that was deleted
	Sick    func(addr netip.Addr) bool
	Mood    func() error
	Deny    string // an action that Role may not take
}

// Healthy counts the targets of a group that answer.
func (b *Balancing) Healthy(group string) (n int) {
	for k, state := range b.states() {
		if len(k) > len(group) && k[:len(group)+1] == group+"/" && state == "healthy" {
			n++
		}
	}
	return n
}

// Change changes the rules.
func (b *Balancing) Change(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

// In counts the targets of a group that aren't on their way out.
func (b *Balancing) In(group string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for k, t := range b.Targets {
		if strings.HasPrefix(k, group+"/") && t.Draining.IsZero() {
			n++
		}
	}
	return n
}

type target struct {
	Since    time.Time
	Draining time.Time
}

func newBalancing() *Balancing {
	return &Balancing{Targets: map[string]*target{}, Rules: newRules(), Sick: func(netip.Addr) bool { return false }}
}

// GroupBalancers finds the balancer of the groups that there are, but for tg-loose, which has none.
func (b *Balancing) GroupBalancers(_ context.Context, group string) ([]string, string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if group == b.Gone {
		group = ""
	}
	switch group {
	case "tg", "tg-blue", "tg-green":
		return []string{"lb"}, "ip", nil
	case "tg-loose":
		return nil, "ip", nil
	}
	return nil, "", awserr.New("TargetGroupNotFound", "One or more target groups not found")
}

// Register adds a target, which becomes healthy.
func (b *Balancing) Register(_ context.Context, group string, addr netip.Addr, port int32, _ string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if group == b.Gone {
		return awserr.New("TargetGroupNotFound", "Target groups '%s' not found", group)
	}
	k := fmt.Sprintf("%s/%s:%d", group, addr, port)
	if b.Targets[k] == nil {
		b.Targets[k] = &target{Since: time.Now()}
	}
	return spoil(b.Mood)
}

// Deregister begins to drain a target.
func (b *Balancing) Deregister(_ context.Context, group string, addr netip.Addr, port int32) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t := b.Targets[fmt.Sprintf("%s/%s:%d", group, addr, port)]; t != nil && t.Draining.IsZero() {
		t.Draining = time.Now()
	}
	return spoil(b.Mood)
}

// TargetState is State, unless the mood spoils it.
func (b *Balancing) TargetState(_ context.Context, group string, addr netip.Addr, port int32) (state, description string, err error) {
	if err := spoil(b.Mood); err != nil {
		return "", "", err
	}
	return b.State(group, addr, port)
}

// Lose deletes a group, with its targets.
func (b *Balancing) Lose(group string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.Gone = group
	maps.DeleteFunc(b.Targets, func(k string, _ *target) bool { return strings.HasPrefix(k, group+"/") })
}

// Registered counts the targets that aren't on their way out.
func (b *Balancing) Registered() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range b.Targets {
		if t.Draining.IsZero() {
			n++
		}
	}
	return n
}

// State is the state of a target and its description, as ELBv2 has them.
func (b *Balancing) State(group string, addr netip.Addr, port int32) (state, description string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if group == b.Gone || group != "tg" && !b.Attached(group) {
		return "unused", "", nil
	}
	if state = b.stateOf(b.Targets[fmt.Sprintf("%s/%s:%d", group, addr, port)], addr); state == "unhealthy" {
		description = "Health checks failed with these codes: [500]"
	}
	return state, description, nil
}

func (b *Balancing) stateOf(t *target, addr netip.Addr) string {
	switch {
	case t == nil || !t.Draining.IsZero() && time.Since(t.Draining) >= time.Second:
		return ""
	case !t.Draining.IsZero():
		return "draining"
	case time.Since(t.Since) < 2*time.Second:
		return "initial"
	case b.Sick(addr):
		return "unhealthy"
	}
	return "healthy"
}

// Follow tells when health changed, within half a second.
func (b *Balancing) Follow(ctx context.Context, enqueue func(string)) error {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	seen := map[string]string{}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			if now := b.states(); !maps.Equal(now, seen) {
				seen = now
				enqueue("default/web")
			}
		}
	}
}

func (b *Balancing) states() map[string]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[string]string{}
	for k, t := range b.Targets {
		addr := netip.MustParseAddrPort(k[strings.LastIndex(k, "/")+1:])
		if state := b.stateOf(t, addr.Addr()); state != "" {
			out[k] = state
		}
	}
	return out
}

// The rules of the simulated balancer: production, and for tests.
const (
	ProductionRule = "arn:aws:elasticloadbalancing:us-west-2:111122223333:listener-rule/app/lb/1/2/3"
	TestRule       = "arn:aws:elasticloadbalancing:us-west-2:111122223333:listener-rule/app/lb/1/2/4"
	Role           = "arn:aws:iam::111122223333:role/ecs"
)

func newRules() map[string]map[string]int32 {
	return map[string]map[string]int32{ProductionRule: {"tg-blue": 1}, TestRule: {"tg-green": 1}}
}

// As lets ECS act as Role, which may do all but what Deny names.
func (b *Balancing) As(ctx context.Context, role string) (context.Context, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if role != Role {
		return ctx, session.ErrDenied
	}
	deny := b.Deny
	return caller.WithJudge(ctx, func(_ context.Context, action, resource string, _ map[string][]string) error {
		if action == deny {
			return awserr.New("AccessDeniedException", "User: %s is not authorized to perform: %s on resource: %s", role, action, resource)
		}
		return nil
	}), nil
}

// Weights returns the target groups that a rule forwards to.
func (b *Balancing) Weights(_ context.Context, rule string) (map[string]int32, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := spoil(b.Mood); err != nil {
		return nil, err
	}
	w, ok := b.Rules[rule]
	if !ok {
		return nil, awserr.New("RuleNotFound", "One or more rules not found")
	}
	return maps.Clone(w), nil
}

// Shift gives target groups of a rule their weights.
func (b *Balancing) Shift(_ context.Context, rule string, weights map[string]int32) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	w, ok := b.Rules[rule]
	if !ok {
		return awserr.New("RuleNotFound", "One or more rules not found")
	}
	w = maps.Clone(w)
	maps.Copy(w, weights)
	b.Rules[rule] = w
	return spoil(b.Mood)
}

// Attached says whether a rule forwards to the group: its targets are checked.
func (b *Balancing) Attached(group string) bool {
	for _, w := range b.Rules {
		if _, ok := w[group]; ok {
			return true
		}
	}
	return false
}

// Serves returns the weights of a rule.
func (b *Balancing) Serves(rule string) (blue, green int32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Rules[rule]["tg-blue"], b.Rules[rule]["tg-green"]
}

// Shifted puts a service behind tg-blue and tg-green with a strategy.
func Shifted(c types.DeploymentConfiguration) func(*sdk.CreateServiceInput) {
	return func(in *sdk.CreateServiceInput) {
		in.DeploymentConfiguration = &c
		in.LoadBalancers = []types.LoadBalancer{{
			TargetGroupArn: aws.String("tg-blue"), ContainerName: aws.String("web"), ContainerPort: aws.Int32(8080),
			AdvancedConfiguration: &types.AdvancedConfiguration{
				AlternateTargetGroupArn: aws.String("tg-green"), ProductionListenerRule: aws.String(ProductionRule), TestListenerRule: aws.String(TestRule), RoleArn: aws.String(Role),
			},
		}}
	}
}
