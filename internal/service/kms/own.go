package kms

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/policy/document"
	"github.com/skylift/skylift/internal/policy/session"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire/authz"
)

// Own returns the policy of the key that has an ARN, with what its grants give, as far as they are about an action; nil when there is no such
// key. An ARN with authz.VersionMark has the id of a grant behind it: whoever may retire that one, may. Without the yes of one of them nobody may
// (https://docs.aws.amazon.com/kms/latest/developerguide/determining-access.html).
func (a *API) Own(ctx context.Context, action, resource string) (*policy.Policy, error) {
	resource, retired, _ := strings.Cut(resource, authz.VersionMark)
	id, is := strings.CutPrefix(resource, a.keyARN(""))
	if !is {
		return nil, nil
	}
	operation := types.GrantOperation(strings.TrimPrefix(action, "kms:"))
	var given []document.Statement
	var names []string
	k, err := handler.View(ctx, a.db, func(tx store.Tx) (k Key, err error) {
		given, names = nil, nil
		if k, _, err = handler.Find(tx, Keys, id); err != nil || k.ID == "" {
			return k, err
		}
		for g, err := range grants.Peek(tx, id+"/") {
			if err != nil {
				return k, err
			}
			if s, gives := g.gives(operation, retired); gives {
				given, names = append(given, s), append(names, g.ID)
			}
		}
		return k, nil
	})
	if err != nil || k.ID == "" {
		return nil, err
	}
	own, err := a.compiled.Compile(id, policyOf(id), k.Policy, k.PolicyIDs)
	if err != nil {
		return nil, err
	}
	all := []*policy.Policy{own}
	for i, s := range given {
		one, err := policy.Compile(policy.Name{Name: "of the grant " + names[i]}, &document.Document{Statements: []document.Statement{s}}, nil)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return policy.Join(all...).AsKey(), nil
}

func policyOf(key string) policy.Name { return policy.Name{Name: "of the key " + key} }

// gives returns the statement that the grant is for an operation, if it is for it. A grant's own end is its retiring principal's, and its grantee's
// where it says so.
func (g *Grant) gives(operation types.GrantOperation, retired string) (s document.Statement, gives bool) {
	s = document.Statement{Effect: "Allow", Actions: []string{"kms:" + string(operation)}, AnyResource: true, Principals: &document.Principals{}}
	if operation == types.GrantOperationRetireGrant {
		if g.ID != retired {
			return s, false
		}
		if g.Retiring != "" {
			s.Principals.AWS = append(s.Principals.AWS, named(g.RetiringID, g.Retiring))
		}
		if slices.Contains(g.Operations, operation) {
			s.Principals.AWS = append(s.Principals.AWS, named(g.GranteeID, g.Grantee))
		}
		return s, len(s.Principals.AWS) > 0
	}
	s.Principals.AWS = []string{named(g.GranteeID, g.Grantee)}
	s.Conditions = g.conditions(operation)
	return s, slices.Contains(g.Operations, operation)
}

func named(id, arn string) string {
	if id != "" {
		return id
	}
	return arn
}

// conditions are the constraints of the grant for an operation. Those on the encryption context are for operations that have one. Who makes
// another grant by this one can't give more than it has
// (https://docs.aws.amazon.com/kms/latest/developerguide/create-grant-overview.html).
func (g *Grant) conditions(operation types.GrantOperation) (list []document.Condition) {
	if operation == types.GrantOperationCreateGrant {
		var may []string
		for _, op := range g.Operations {
			may = append(may, string(op))
		}
		list = append(list, document.Condition{Operator: "ForAllValues:StringEquals", Key: "kms:GrantOperations", Values: may})
	}
	c := g.Constraints
	if c == nil {
		return list
	}
	if c.SourceArn != nil {
		list = append(list, document.Condition{Operator: "StringEquals", Key: "aws:SourceArn", Values: []string{*c.SourceArn}})
	}
	if !slices.Contains(inContext, operation) {
		return list
	}
	for _, pairs := range []map[string]string{c.EncryptionContextSubset, c.EncryptionContextEquals} {
		for _, name := range slices.Sorted(maps.Keys(pairs)) {
			list = append(list, document.Condition{Operator: "StringEquals", Key: contextKey + name, Values: []string{pairs[name]}})
		}
	}
	if c.EncryptionContextEquals != nil {
		list = append(list, exactly(slices.Sorted(maps.Keys(c.EncryptionContextEquals))))
		if operation == types.GrantOperationCreateGrant {
			list = append(list, document.Condition{Operator: "StringEquals", Key: "kms:GrantConstraintType", Values: []string{constraintEquals}})
		}
	}
	return list
}

// exactly is the condition that an encryption context has no other names.
func exactly(names []string) document.Condition {
	if len(names) == 0 {
		return document.Condition{Operator: "Null", Key: contextKeys, Values: []string{"true"}}
	}
	return document.Condition{Operator: "ForAllValues:StringEquals", Key: contextKeys, Values: names}
}

// inContext are the operations that have an encryption context, which a grant may ask for.
var inContext = append(slices.Clone(grantUses[types.KeyUsageTypeEncryptDecrypt]), types.GrantOperationCreateGrant)

// locksOut tells whether the caller could set no other policy when a key has this one. Nobody is asked where the instance itself acts.
func (a *API) locksOut(ctx context.Context, p *policy.Policy, key string) bool {
	who := session.From(ctx)
	if who.Principal.ARN == "" {
		return false
	}
	who.Policies.Resource = p.AsKey()
	call := policy.Call{Caller: who.Principal, Action: "kms:PutKeyPolicy", Resource: a.keyARN(key), Keys: who.Keys.With(policy.Keys{})}
	call.Keys.Set("kms:CallerAccount", a.ns.Account)
	return !policy.Decide(call, who.Policies).Allowed()
}
