package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/policy/session"
	ec2api "github.com/skylift/skylift/internal/service/ec2/api"
	eni "github.com/skylift/skylift/internal/service/ec2/interfaces"
	"github.com/skylift/skylift/internal/service/ecr"
	"github.com/skylift/skylift/internal/service/ecr/pulls"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/api/scope"
	"github.com/skylift/skylift/internal/service/ecs/ship"
	elbapi "github.com/skylift/skylift/internal/service/elbv2/api"
	"github.com/skylift/skylift/internal/service/logs"
	"github.com/skylift/skylift/internal/vpc"
)

// Services don't import each other: what ECS needs of another is a small
// interface of its own, and the types here fit them together.

// placement is EC2 as the ECS API sees it.
type placement struct{ ec2 *ec2api.API }

func (p placement) CheckPlacement(ctx context.Context, subnets, groups []string) (withDefault, zones []string, err error) {
	vpcID := ""
	for _, id := range subnets {
		s, err := p.ec2.SubnetByID(ctx, id)
		if err != nil {
			return nil, nil, said(err)
		}
		if vpcID != "" && s.VpcID != vpcID {
			return nil, nil, errors.New("all subnets must be in the same VPC")
		}
		vpcID, zones = s.VpcID, append(zones, s.AZ)
	}
	if len(groups) == 0 {
		g, err := p.ec2.DefaultGroup(ctx, vpcID)
		return []string{g}, zones, err
	}
	return groups, zones, said(p.ec2.CheckGroups(ctx, vpcID, groups))
}

// said returns what an AWS error says, without its code.
func said(err error) error {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return errors.New(e.ErrorMessage())
	}
	return err
}

// taskNetwork is EC2 and the network of the host as ecs/run sees them.
type taskNetwork struct {
	ec2 *ec2api.API
	Host
}

func (n taskNetwork) Create(ctx context.Context, taskID, subnet string, groups []string, public bool) (ecs.ENI, error) {
	i, err := n.ec2.CreateInterface(ctx, eni.Request{
		SubnetID: subnet, Groups: groups, Owner: "task/" + taskID, Type: "interface", RequesterManaged: true,
		Description: "ECS task " + taskID, Public: public,
	})
	if err != nil {
		return ecs.ENI{}, err
	}
	told, err := n.ec2.Told(ctx, i.SubnetID)
	if err != nil {
		return ecs.ENI{}, err
	}
	made := ecs.ENI{ID: i.ID, Subnet: i.SubnetID, MAC: i.MAC, Addr: i.Addr, Search: told.Search}
	for _, s := range told.Servers {
		made.Servers = append(made.Servers, s.String())
	}
	return made, nil
}

func (n taskNetwork) Attach(ctx context.Context, eni ecs.ENI, netns string) error {
	mac, err := net.ParseMAC(eni.MAC)
	if err != nil {
		return fmt.Errorf("read the interface's address: %w", err)
	}
	told, err := n.ec2.Told(ctx, eni.Subnet)
	if err != nil {
		return err
	}
	others := slices.DeleteFunc(resolvers(ofTask(n.Engine, netns)), told.Own)
	return n.Network.Attach(ctx, vpc.Interface{ID: eni.ID, Addr: eni.Addr, MAC: mac, NetNS: netns, Resolvers: others})
}

func (n taskNetwork) Delete(ctx context.Context, eniID string) error {
	if err := n.Network.Detach(ctx, eniID); err != nil {
		return err
	}
	return n.ec2.DeleteInterface(ctx, eniID)
}

// taskSubnets is EC2 as the task metadata endpoint sees it.
type taskSubnets struct{ *ec2api.API }

func (n taskSubnets) Subnet(ctx context.Context, id string) (string, netip.Prefix, error) {
	s, err := n.SubnetByID(ctx, id)
	return s.VpcID, s.CIDR, err
}

// imageStore brings images to the engine: those of the own registry by the
// digest that their tag stands for now.
type imageStore struct {
	ecr      *ecr.API
	registry pulls.Registry
	eng      engine.Engine
}

// resolve returns an image of the own registry by digest, if it may be pulled.
func (s imageStore) resolve(ctx context.Context, ref string) (pinned string, ours bool, err error) {
	if err := s.registry.Allowed(ctx, ref); err != nil {
		return "", true, err
	}
	return s.ecr.ResolveImage(ctx, ref)
}

func (s imageStore) Resolve(ctx context.Context, ref string, login engine.Auth) (string, error) {
	pinned, ours, err := s.resolve(ctx, ref)
	if ours || err != nil {
		return pinned, err
	}
	return s.eng.Pull(ctx, ref, login)
}

func (s imageStore) Pull(ctx context.Context, ref string, login engine.Auth) (string, error) {
	pinned, ours, err := s.resolve(ctx, ref)
	if e, ok := errors.AsType[*ecr.CannotPullError](err); ok {
		return "", &engine.PullError{Ref: ref, Reason: e.Reason, NotFound: true}
	}
	if err != nil {
		return "", err
	}
	if !ours {
		return s.eng.Pull(ctx, ref, login)
	}
	user, password, _ := s.ecr.PullAuth(ctx, ref)
	pulled, err := s.eng.Pull(ctx, pinned, engine.Auth{Username: user, Password: password})
	if e, ok := errors.AsType[*engine.PullError](err); ok {
		e.Busy = e.Busy || ownFault(e.Reason)
	}
	return pulled, err
}

// ownFault tells whether what the engine says of a pull from the own registry
// means that this process couldn't serve it just now, which says nothing about
// the image.
func ownFault(reason string) bool {
	return slices.ContainsFunc([]string{"503 Service Unavailable", "unavailable: ", "connection refused", "connection reset by peer"}, func(s string) bool {
		return strings.Contains(reason, s)
	})
}

// targetGroups is ELBv2 as ECS sees it.
type targetGroups struct {
	*elbapi.API
	roles executionRoles
}

// As returns a context in which a role is judged that ECS assumes for what it does with load balancers.
func (t targetGroups) As(ctx context.Context, role string) (context.Context, error) {
	r := t.roles
	source := "arn:aws:ecs:" + r.region + ":" + r.account + ":*"
	s, err := r.iam.Assume(ctx, role, session.Request{Caller: session.Service(scope.ServicesPrincipal, source, r.account, time.Now()), Name: "ecs-service-scheduler"})
	if err != nil {
		return ctx, err
	}
	return caller.WithJudge(ctx, roleJudge{executionRoles: r, Session: s, began: time.Now()}.allowed), nil
}

func (t targetGroups) Register(ctx context.Context, group string, addr netip.Addr, port int32, zone string) error {
	return t.API.Register(ctx, group, addr.String(), port, zone)
}

func (t targetGroups) Deregister(ctx context.Context, group string, addr netip.Addr, port int32) error {
	return t.API.Deregister(ctx, group, addr.String(), port)
}

func (t targetGroups) TargetState(ctx context.Context, group string, addr netip.Addr, port int32) (state, description string, err error) {
	state, _, description, err = t.API.TargetState(ctx, group, addr.String(), port)
	return state, description, err
}

// shipping is the log shipper with the logs it ships to, as ecs/run sees them.
type shipping struct {
	*ship.Shipper
	logs *logs.API
}

func (s shipping) Prepare(ctx context.Context, group, stream string, createGroup bool) error {
	return s.logs.EnsureStream(ctx, group, stream, createGroup)
}
