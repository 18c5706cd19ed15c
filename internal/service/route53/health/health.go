// Package health makes, shows, changes and deletes health checks. Route53/checks runs them.
package health

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/service/route53/record"
	"github.com/skylift/skylift/internal/service/route53/scope"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// API has the handlers.
type API struct{ *scope.Scope }

const (
	onCheck = "healthcheck: HealthCheckId"
	// honoured are the members of a configuration that have an effect, and changed those that can be changed.
	honoured = "IPAddress Port Type ResourcePath FullyQualifiedDomainName SearchString RequestInterval FailureThreshold Inverted Disabled HealthThreshold ChildHealthChecks EnableSNI"
	changed  = "IPAddress Port ResourcePath FullyQualifiedDomainName SearchString FailureThreshold Inverted Disabled HealthThreshold ChildHealthChecks EnableSNI"

	noRegions = "Skylift checks from its own machine"
	noLatency = "latencies are not measured"
)

// Operations lists what the API answers.
func (a API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("CreateHealthCheck", a.CreateHealthCheck).Takes("CallerReference HealthCheckConfig{"+honoured+"}").
			Keeps("HealthCheckConfig{Regions}", noRegions).Keeps("HealthCheckConfig{MeasureLatency}", noLatency).
			Checks(func(in *route53.CreateHealthCheckInput) []error { return configFaults(in.HealthCheckConfig) }),
		wire.Op("DeleteHealthCheck", a.DeleteHealthCheck).On(onCheck).Takes("HealthCheckId"),
		wire.Op("GetHealthCheck", a.GetHealthCheck).On(onCheck).Takes("HealthCheckId"),
		wire.Op("GetHealthCheckCount", a.GetHealthCheckCount).Takes(""),
		wire.Op("GetHealthCheckLastFailureReason", a.GetHealthCheckLastFailureReason).On(onCheck).Takes("HealthCheckId"),
		wire.Op("GetHealthCheckStatus", a.GetHealthCheckStatus).On(onCheck).Takes("HealthCheckId"),
		wire.Op("ListHealthChecks", a.ListHealthChecks).Takes("marker maxitems"),
		wire.Op("UpdateHealthCheck", a.UpdateHealthCheck).On(onCheck).Takes("HealthCheckId HealthCheckVersion ResetElements "+changed).Keeps("Regions", noRegions),
	}
}

// CreateHealthCheck makes a health check. Whoever asks again for the same one is given it.
func (a API) CreateHealthCheck(ctx context.Context, in *route53.CreateHealthCheckInput) (*route53.CreateHealthCheckOutput, error) {
	c := record.Check{ID: id.UUID(), Reference: *in.CallerReference, Version: 1, Config: WithDefaults(*in.HealthCheckConfig)}
	if err := configFaults(&c.Config).First(); err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*route53.CreateHealthCheckOutput, error) {
		has, err := record.Checks.By(tx, record.ByReference, record.ReferenceKey(c.Reference))
		switch {
		case err != nil:
			return nil, err
		case len(has) > 0 && !reflect.DeepEqual(has[0].Config, c.Config):
			return nil, &types.HealthCheckAlreadyExists{Message: new(fmt.Sprintf("A health check with the caller reference '%s' and other settings exists already.", c.Reference))}
		case len(has) > 0:
			return created(has[0]), nil
		}
		if err := a.room(tx, c); err != nil {
			return nil, err
		}
		return created(c), record.Checks.Put(tx, c.ID, c)
	})
}

func created(c record.Check) *route53.CreateHealthCheckOutput {
	return &route53.CreateHealthCheckOutput{HealthCheck: shape(c), Location: new("https://route53.amazonaws.com/2013-04-01/healthcheck/" + c.ID)}
}

// room fails when a check can't be made beside those that there are.
func (a API) room(tx store.Tx, c record.Check) error {
	n, err := scope.Count(tx, record.Checks)
	if err != nil {
		return err
	}
	if n >= scope.MaxChecks {
		return &types.TooManyHealthChecks{Message: new(fmt.Sprintf("This account has the most health checks that it can have: %d.", scope.MaxChecks))}
	}
	return children(tx, c)
}

// children fails when a check that is calculated counts one that isn't there, or itself, or when checks are of more levels with it
// than are looked at.
func children(tx store.Tx, c record.Check) error {
	if len(c.Config.ChildHealthChecks) == 0 {
		return nil
	}
	list, err := store.Collect(record.Checks.Peek(tx, ""))
	if err != nil {
		return err
	}
	all := map[string]*record.Check{}
	for _, o := range list {
		all[o.ID] = o
	}
	all[c.ID] = &c
	for _, child := range c.Config.ChildHealthChecks {
		if all[child] == nil {
			return record.NoCheck(child)
		}
	}
	switch deep, circle := record.Levels(all); {
	case circle:
		return record.InvalidInput("A health check can't monitor itself, nor one that monitors it: %s", c.ID)
	case deep > record.MaxDepth:
		return record.InvalidInput("Calculated health checks can have at most %d levels of others below them.", record.MaxDepth)
	}
	return nil
}

// shape is a health check in an answer.
func shape(c record.Check) *types.HealthCheck {
	return &types.HealthCheck{Id: &c.ID, CallerReference: &c.Reference, HealthCheckVersion: &c.Version, HealthCheckConfig: &c.Config}
}

// GetHealthCheck shows a health check.
func (a API) GetHealthCheck(ctx context.Context, in *route53.GetHealthCheckInput) (*route53.GetHealthCheckOutput, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (*route53.GetHealthCheckOutput, error) {
		c, err := handler.Get(tx, record.Checks, *in.HealthCheckId, record.NoCheck)
		if err != nil {
			return nil, err
		}
		return &route53.GetHealthCheckOutput{HealthCheck: shape(c)}, nil
	})
}

// GetHealthCheckCount counts health checks.
func (a API) GetHealthCheckCount(ctx context.Context, _ *route53.GetHealthCheckCountInput) (*route53.GetHealthCheckCountOutput, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (*route53.GetHealthCheckCountOutput, error) {
		n, err := scope.Count(tx, record.Checks)
		return &route53.GetHealthCheckCountOutput{HealthCheckCount: &n}, err
	})
}

// ListHealthChecks lists health checks in the order of their ids.
func (a API) ListHealthChecks(ctx context.Context, in *route53.ListHealthChecksInput) (*route53.ListHealthChecksOutput, error) {
	size, err := scope.Size(in.MaxItems, scope.PageSize)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.DB, func(tx store.Tx) (*route53.ListHealthChecksOutput, error) {
		out := &route53.ListHealthChecksOutput{HealthChecks: []types.HealthCheck{}, Marker: in.Marker, MaxItems: new(int32(size))}
		if out.Marker == nil {
			out.Marker = new("")
		}
		for c, err := range record.Checks.Scan(tx, "", "") {
			switch {
			case err != nil:
				return nil, err
			case c.ID < *out.Marker:
				continue
			case len(out.HealthChecks) == size:
				out.IsTruncated, out.NextMarker = true, &c.ID
				return out, nil
			}
			out.HealthChecks = append(out.HealthChecks, *shape(c))
		}
		return out, nil
	})
}

// DeleteHealthCheck deletes a health check. Sets that name it count as well from then on.
func (a API) DeleteHealthCheck(ctx context.Context, in *route53.DeleteHealthCheckInput) (*route53.DeleteHealthCheckOutput, error) {
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*route53.DeleteHealthCheckOutput, error) {
		if _, err := handler.Get(tx, record.Checks, *in.HealthCheckId, record.NoCheck); err != nil {
			return nil, err
		}
		return &route53.DeleteHealthCheckOutput{}, record.Checks.Delete(tx, *in.HealthCheckId)
	})
}

// UpdateHealthCheck changes what a request names of a health check.
func (a API) UpdateHealthCheck(ctx context.Context, in *route53.UpdateHealthCheckInput) (*route53.UpdateHealthCheckOutput, error) {
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*route53.UpdateHealthCheckOutput, error) {
		c, err := handler.Change(tx, record.Checks, *in.HealthCheckId, record.NoCheck, func(c *record.Check) error {
			if in.HealthCheckVersion != nil && *in.HealthCheckVersion != c.Version {
				return &types.HealthCheckVersionMismatch{Message: new(fmt.Sprintf("The health check has version %d, not %d.", c.Version, *in.HealthCheckVersion))}
			}
			change(&c.Config, in)
			c.Version++
			if err := configFaults(&c.Config).First(); err != nil {
				return err
			}
			return children(tx, *c)
		})
		if err != nil {
			return nil, err
		}
		return &route53.UpdateHealthCheckOutput{HealthCheck: shape(c)}, nil
	})
}

// change puts what a request names into a configuration.
func change(c *types.HealthCheckConfig, in *route53.UpdateHealthCheckInput) {
	for _, r := range in.ResetElements {
		switch r {
		case types.ResettableElementNameFullyQualifiedDomainName:
			c.FullyQualifiedDomainName = nil
		case types.ResettableElementNameRegions:
			c.Regions = nil
		case types.ResettableElementNameResourcePath:
			c.ResourcePath = nil
		case types.ResettableElementNameChildHealthChecks:
			c.ChildHealthChecks = nil
		}
	}
	set(&c.IPAddress, in.IPAddress)
	set(&c.Port, in.Port)
	set(&c.ResourcePath, in.ResourcePath)
	set(&c.FullyQualifiedDomainName, in.FullyQualifiedDomainName)
	set(&c.SearchString, in.SearchString)
	set(&c.FailureThreshold, in.FailureThreshold)
	set(&c.Inverted, in.Inverted)
	set(&c.Disabled, in.Disabled)
	set(&c.HealthThreshold, in.HealthThreshold)
	set(&c.EnableSNI, in.EnableSNI)
	if in.ChildHealthChecks != nil {
		c.ChildHealthChecks = slices.Clone(in.ChildHealthChecks)
	}
	if in.Regions != nil {
		c.Regions = slices.Clone(in.Regions)
	}
}

// set replaces what is there when something is given.
func set[T any](to **T, given *T) {
	if given != nil {
		*to = given
	}
}

// GetHealthCheckStatus says what a check saw last.
func (a API) GetHealthCheckStatus(ctx context.Context, in *route53.GetHealthCheckStatusInput) (*route53.GetHealthCheckStatusOutput, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (*route53.GetHealthCheckStatusOutput, error) {
		h, err := endpoint(tx, *in.HealthCheckId)
		if err != nil {
			return nil, err
		}
		said, at := h.Said, h.At
		if o, ok := a.Checker.Last(*in.HealthCheckId); ok {
			said, at = o.Said, o.At
		}
		return &route53.GetHealthCheckStatusOutput{HealthCheckObservations: a.observation(said, at)}, nil
	})
}

// GetHealthCheckLastFailureReason says what a check saw when it last failed.
func (a API) GetHealthCheckLastFailureReason(ctx context.Context, in *route53.GetHealthCheckLastFailureReasonInput) (*route53.GetHealthCheckLastFailureReasonOutput, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (*route53.GetHealthCheckLastFailureReasonOutput, error) {
		h, err := endpoint(tx, *in.HealthCheckId)
		if err != nil {
			return nil, err
		}
		return &route53.GetHealthCheckLastFailureReasonOutput{HealthCheckObservations: a.observation(h.Failed, h.FailedAt)}, nil
	})
}

// endpoint returns what is kept of what a check of an endpoint found out.
func endpoint(tx store.Tx, id string) (record.Health, error) {
	c, err := handler.Get(tx, record.Checks, id, record.NoCheck)
	if err != nil {
		return record.Health{}, err
	}
	if c.Config.Type == types.HealthCheckTypeCalculated {
		return record.Health{}, record.InvalidInput("The health check %s is calculated: only checks of endpoints have observations.", id)
	}
	h, _, err := handler.Find(tx, record.Healths, id)
	return h, err
}

// observation is the one that this machine has; none where it has not looked yet.
func (a API) observation(said string, at time.Time) []types.HealthCheckObservation {
	if at.IsZero() {
		return []types.HealthCheckObservation{}
	}
	return []types.HealthCheckObservation{{
		Region: types.HealthCheckRegion(a.NS.Region), IPAddress: new("127.0.0.1"), StatusReport: &types.StatusReport{Status: &said, CheckedTime: &at},
	}}
}
