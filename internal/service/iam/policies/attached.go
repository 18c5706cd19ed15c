package policies

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/policy/document"
	"github.com/skylift/skylift/internal/service/iam/record"
	"github.com/skylift/skylift/internal/store"
)

// maxAttached is how many managed policies an entity may have
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).
const maxAttached = 10

// modify changes an entity that isn't AWS's own.
func modify[T any](ctx context.Context, a *Policies, h record.Holder[T], name string, change func(tx store.Tx, e *record.Entity) error) error {
	return a.DB.Update(ctx, func(tx store.Tx) error {
		_, err := h.Change(tx, name, func(_ *T, e *record.Entity) error {
			if err := record.Own(e); err != nil {
				return err
			}
			return change(tx, e)
		})
		return err
	})
}

// attach gives an entity a managed policy; a second time does nothing.
func attach[T any](ctx context.Context, a *Policies, h record.Holder[T], name, arn string) error {
	if err := checkARN(arn); err != nil {
		return err
	}
	return modify(ctx, a, h, name, func(tx store.Tx, e *record.Entity) error {
		m, ok, err := a.Managed(tx, arn)
		if err != nil {
			return err
		}
		switch {
		case !ok:
			return record.NoSuch("Policy %s does not exist or is not attachable.", arn)
		case m.AWS && strings.HasPrefix(m.Path, "/aws-service-role/"):
			return &types.PolicyNotAttachableException{Message: new("Cannot attach a Service Role Policy to a Customer Role.")}
		case slices.Contains(e.Attached, arn):
			return nil
		case len(e.Attached) >= maxAttached:
			return record.Exceeds("Cannot exceed quota for PoliciesPer%s: %d", h.Title, maxAttached)
		}
		e.Attached = append(e.Attached, arn)
		return nil
	})
}

func detach[T any](ctx context.Context, a *Policies, h record.Holder[T], name, arn string) error {
	if err := checkARN(arn); err != nil {
		return err
	}
	return modify(ctx, a, h, name, func(_ store.Tx, e *record.Entity) error {
		i := slices.Index(e.Attached, arn)
		if i < 0 {
			return record.NoSuch("Policy %s was not found.", arn)
		}
		e.Attached = slices.Delete(e.Attached, i, i+1)
		return nil
	})
}

// listAttached returns a page of an entity's managed policies.
func listAttached[T any](ctx context.Context, a *Policies, h record.Holder[T], name string, prefix *string, maxItems *int32, marker *string) (part []types.AttachedPolicy, next *string, err error) {
	page, err := record.Page(maxItems, marker)
	if err != nil {
		return nil, nil, err
	}
	err = a.DB.View(ctx, func(tx store.Tx) error {
		v, err := h.Get(tx, name)
		if err != nil {
			return err
		}
		var all []types.AttachedPolicy
		for _, arn := range h.Of(&v).Attached {
			_, path, _ := strings.Cut(arn, ":policy")
			if strings.HasPrefix(path, record.PathOr(prefix)) {
				all = append(all, types.AttachedPolicy{PolicyArn: &arn, PolicyName: new(arn[strings.LastIndexByte(arn, '/')+1:])})
			}
		}
		part, next = handler.Cut(page, all, func(p types.AttachedPolicy) string { return *p.PolicyName + " " + *p.PolicyArn })
		return nil
	})
	return part, next, err
}

// put gives an entity an inline policy, or replaces the one of that name.
func put[T any](ctx context.Context, a *Policies, h record.Holder[T], name, policy, text string) error {
	if _, err := document.Check(text, document.Inline); err != nil {
		return record.Malformed(err)
	}
	return modify(ctx, a, h, name, func(_ store.Tx, e *record.Entity) error {
		if e.Inline == nil {
			e.Inline = map[string]string{}
		}
		e.Inline[policy] = text
		n := 0
		for _, text := range e.Inline {
			n += record.Weight(text)
		}
		if n > h.MaxInline {
			return record.Exceeds("Maximum policy size of %d bytes exceeded for %s %s", h.MaxInline, h.Word, e.Name)
		}
		return nil
	})
}

// noInline is the error for an inline policy that isn't there.
func noInline[T any](h record.Holder[T], policy string) error {
	return record.NoSuch("The %s policy with name %s cannot be found.", h.Word, policy)
}

func get[T any](ctx context.Context, a *Policies, h record.Holder[T], name, policy string) (e record.Entity, text string, err error) {
	err = a.DB.View(ctx, func(tx store.Tx) error {
		v, err := h.Get(tx, name)
		if err != nil {
			return err
		}
		e = *h.Of(&v)
		var ok bool
		if text, ok = e.Inline[policy]; !ok {
			return noInline(h, policy)
		}
		return nil
	})
	return e, text, err
}

func remove[T any](ctx context.Context, a *Policies, h record.Holder[T], name, policy string) error {
	return modify(ctx, a, h, name, func(_ store.Tx, e *record.Entity) error {
		if _, ok := e.Inline[policy]; !ok {
			return noInline(h, policy)
		}
		delete(e.Inline, policy)
		return nil
	})
}

// list returns a page of the names of an entity's inline policies.
func list[T any](ctx context.Context, a *Policies, h record.Holder[T], name string, maxItems *int32, marker *string) (part []string, next *string, err error) {
	page, err := record.Page(maxItems, marker)
	if err != nil {
		return nil, nil, err
	}
	err = a.DB.View(ctx, func(tx store.Tx) error {
		v, err := h.Get(tx, name)
		if err == nil {
			part, next = handler.Cut(page, h.Of(&v).Names(), func(s string) string { return s })
		}
		return err
	})
	return part, next, err
}

// bound sets a permissions boundary.
func bound[T any](ctx context.Context, a *Policies, h record.Holder[T], name, arn string) error {
	return modify(ctx, a, h, name, func(tx store.Tx, e *record.Entity) error {
		e.Boundary = arn
		return a.CheckBoundary(tx, arn)
	})
}

func unbound[T any](ctx context.Context, a *Policies, h record.Holder[T], name string) error {
	return modify(ctx, a, h, name, func(_ store.Tx, e *record.Entity) error {
		if e.Boundary == "" {
			return record.NoSuch("The %s with name %s does not have a permissions boundary.", h.Word, e.Name)
		}
		e.Boundary = ""
		return nil
	})
}
