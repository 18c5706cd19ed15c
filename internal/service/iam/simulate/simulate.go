// Package simulate is the part of IAM that tells what policies would decide.
//
// A call is simulated with the condition keys that the request gives, and no others.
package simulate

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/policy/document"
	"github.com/skylift/skylift/internal/service/iam/bearer"
	"github.com/skylift/skylift/internal/service/iam/record"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// Simulator answers what policies would decide.
type Simulator struct{ finder *bearer.Finder }

// New returns that part of the service.
func New(f *bearer.Finder) *Simulator { return &Simulator{f} }

// Operations lists what it answers.
func (a *Simulator) Operations() []wire.Operation {
	const common = "ActionNames CallerArn ContextEntries{*} Marker MaxItems PermissionsBoundaryPolicyInputList PolicyInputList ResourceArns ResourceHandlingOption ResourceOwner ResourcePolicy"
	return []wire.Operation{
		wire.Op("GetContextKeysForCustomPolicy", a.GetContextKeysForCustomPolicy).Takes("PolicyInputList"),
		wire.Op("GetContextKeysForPrincipalPolicy", a.GetContextKeysForPrincipalPolicy).On("*: PolicySourceArn").Takes("PolicyInputList PolicySourceArn"),
		wire.Op("SimulateCustomPolicy", a.SimulateCustomPolicy).Takes(common),
		wire.Op("SimulatePrincipalPolicy", a.SimulatePrincipalPolicy).On("*: PolicySourceArn").Takes(common + " PolicySourceArn"),
	}
}

// input is what both simulations are asked.
type input struct {
	policies, boundaries []string
	actions, resources   []string
	own, owner, caller   *string
	keys                 []types.ContextEntry
	maxItems             *int32
	marker               *string
}

// SimulateCustomPolicy decides by policies that the request brings along.
func (a *Simulator) SimulateCustomPolicy(_ context.Context, in *iam.SimulateCustomPolicyInput) (*iam.SimulateCustomPolicyOutput, error) {
	i := input{
		in.PolicyInputList, in.PermissionsBoundaryPolicyInputList, in.ActionNames, in.ResourceArns,
		in.ResourcePolicy, in.ResourceOwner, in.CallerArn, in.ContextEntries, in.MaxItems, in.Marker,
	}
	results, next, err := a.simulate(i, nil, nil, policy.Principal{})
	return &iam.SimulateCustomPolicyOutput{EvaluationResults: results, IsTruncated: next != nil, Marker: next}, err
}

// SimulatePrincipalPolicy decides by the policies of a user, group or role, and those that the request brings along.
func (a *Simulator) SimulatePrincipalPolicy(ctx context.Context, in *iam.SimulatePrincipalPolicyInput) (*iam.SimulatePrincipalPolicyOutput, error) {
	b, err := a.bearer(ctx, *in.PolicySourceArn)
	if err != nil {
		return nil, err
	}
	i := input{
		in.PolicyInputList, in.PermissionsBoundaryPolicyInputList, in.ActionNames, in.ResourceArns,
		in.ResourcePolicy, in.ResourceOwner, in.CallerArn, in.ContextEntries, in.MaxItems, in.Marker,
	}
	results, next, err := a.simulate(i, b.Identity, b.Boundary, principal(a.finder.Account, b.ARN, b.ID))
	return &iam.SimulatePrincipalPolicyOutput{EvaluationResults: results, IsTruncated: next != nil, Marker: next}, err
}

func (a *Simulator) bearer(ctx context.Context, arn string) (bearer.Bearer, error) {
	return handler.View(ctx, a.finder.DB, func(tx store.Tx) (bearer.Bearer, error) {
		b, ok, err := a.finder.Named(tx, arn)
		if err == nil && !ok {
			err = record.NoSuch("The entity with ARN %s cannot be found.", arn)
		}
		return b, err
	})
}

// principal is who acts, by its ARN.
func principal(account, arn, id string) policy.Principal {
	p := policy.Principal{Type: policy.User, Account: account, ARN: arn, Entity: arn, EntityID: id, UserID: id}
	if strings.Contains(arn, ":role/") {
		p.Type = policy.RoleSession
	}
	return p
}

// compile compiles the policies of a list in a request, which are called as AWS calls them: PolicyInputList.1.
func (a *Simulator) compile(list string, texts []string, kind document.Kind) (all []*policy.Policy, err error) {
	for i, text := range texts {
		name := fmt.Sprintf("%s.%d", list, i+1)
		if _, err := document.Check(text, kind); err != nil {
			return nil, &types.InvalidInputException{Message: new(fmt.Sprintf("Invalid policy %s: %v", name, err))}
		}
		p, err := a.finder.Compile(policy.Name{Name: name}, text, nil)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

func (a *Simulator) simulate(in input, identity []*policy.Policy, boundary *policy.Policy, who policy.Principal) ([]types.EvaluationResult, *string, error) {
	page, err := record.Page(in.maxItems, in.marker)
	if err != nil {
		return nil, nil, err
	}
	p := policy.Policies{Boundary: boundary}
	given, err := a.compile("PolicyInputList", in.policies, document.Inline)
	if err != nil {
		return nil, nil, err
	}
	p.Identity = append(append(p.Identity, identity...), given...)
	boundaries, err := a.compile("PermissionsBoundaryPolicyInputList", in.boundaries, document.Inline)
	if err != nil {
		return nil, nil, err
	}
	if len(boundaries) > 0 {
		p.Boundary = boundaries[0]
	}
	if in.own != nil && *in.own != "" {
		own, err := a.compile("ResourcePolicy", []string{*in.own}, document.Resource)
		if err != nil {
			return nil, nil, err
		}
		p.Resource = own[0]
	}
	if in.caller != nil && *in.caller != "" {
		who = principal(strings.Split(*in.caller+":::::", ":")[4], *in.caller, "")
	}
	call := policy.Call{Caller: who, Keys: keys(in.keys)}
	if in.owner != nil && p.Resource != nil {
		call.Owner = strings.Split(*in.owner+":::::", ":")[4]
	}
	part, next, err := handler.Fill(page, pairs(in.actions, orAll(in.resources), page.After), func(p pair) string { return strconv.Itoa(p.n) })
	if err != nil {
		return nil, nil, err
	}
	results := []types.EvaluationResult{}
	for _, at := range part {
		if !strings.Contains(at.action, ":") {
			return nil, nil, record.Input("Invalid action name: %s", at.action)
		}
		call.Action, call.Resource = at.action, at.resource
		results = append(results, evaluate(call, p))
	}
	return results, next, nil
}

// pair is an action on a resource that is decided about, the nth.
type pair struct {
	n                int
	action, resource string
}

// pairs yields those behind the one that a page ended with. There may be many millions.
func pairs(actions, resources []string, after string) iter.Seq2[pair, error] {
	first := 0
	if n, err := strconv.Atoi(after); err == nil {
		first = max(0, n+1)
	}
	return func(yield func(pair, error) bool) {
		for n := first; n < len(actions)*len(resources); n++ {
			if !yield(pair{n, actions[n/len(resources)], resources[n%len(resources)]}, nil) {
				return
			}
		}
	}
}

func orAll(resources []string) []string {
	if len(resources) == 0 {
		return []string{"*"}
	}
	return resources
}

// keys are the condition keys that a request gives.
func keys(entries []types.ContextEntry) (k policy.Keys) {
	for _, e := range entries {
		if e.ContextKeyName == nil {
			continue
		}
		if strings.HasSuffix(string(e.ContextKeyType), "List") || len(e.ContextKeyValues) != 1 {
			k.SetMany(*e.ContextKeyName, e.ContextKeyValues...)
			continue
		}
		k.Set(*e.ContextKeyName, e.ContextKeyValues[0])
	}
	return k
}

// evaluate decides about one action on one resource.
func evaluate(call policy.Call, p policy.Policies) types.EvaluationResult {
	d := policy.Decide(call, p)
	out := types.EvaluationResult{
		EvalActionName: &call.Action, EvalResourceName: &call.Resource, EvalDecision: types.PolicyEvaluationDecisionType(d.Effect.String()),
		MatchedStatements: []types.Statement{}, MissingContextValues: []string{}, ResourceSpecificResults: []types.ResourceSpecificResult{},
	}
	all := append([]*policy.Policy{}, p.Identity...)
	if p.Boundary != nil {
		all = append(all, p.Boundary)
		allows := false
		for _, s := range p.Boundary.Applying(call) {
			allows = allows || s.Allow
		}
		out.PermissionsBoundaryDecisionDetail = &types.PermissionsBoundaryDecisionDetail{AllowedByPermissionsBoundary: allows}
	}
	if p.Resource != nil {
		all = append(all, p.Resource)
	}
	seen := map[string]bool{}
	for _, one := range all {
		for _, s := range one.Applying(call) {
			if s.Allow == d.Allowed() && d.Effect != policy.ImplicitDeny {
				out.MatchedStatements = append(out.MatchedStatements, statement(s))
			}
		}
		for _, key := range one.Missing(call) {
			if !seen[strings.ToLower(key)] {
				out.MissingContextValues = append(out.MissingContextValues, key)
			}
			seen[strings.ToLower(key)] = true
		}
	}
	return out
}

func statement(s *policy.Statement) types.Statement {
	name := s.Policy.Name
	if s.Policy.ARN != "" {
		name = *record.NameOf(s.Policy.ARN)
	}
	return types.Statement{
		SourcePolicyId: &name, SourcePolicyType: "IAM Policy",
		StartPosition: &types.Position{Line: int32(s.From.Line), Column: int32(s.From.Column)}, EndPosition: &types.Position{Line: int32(s.To.Line), Column: int32(s.To.Column)},
	}
}

// GetContextKeysForCustomPolicy lists the condition keys that policies read.
func (a *Simulator) GetContextKeysForCustomPolicy(_ context.Context, in *iam.GetContextKeysForCustomPolicyInput) (*iam.GetContextKeysForCustomPolicyOutput, error) {
	given, err := a.compile("PolicyInputList", in.PolicyInputList, document.Inline)
	return &iam.GetContextKeysForCustomPolicyOutput{ContextKeyNames: keysOf(given)}, err
}

// GetContextKeysForPrincipalPolicy lists the condition keys that the policies of a user, group or role read, and those
// that the request brings along.
func (a *Simulator) GetContextKeysForPrincipalPolicy(ctx context.Context, in *iam.GetContextKeysForPrincipalPolicyInput) (*iam.GetContextKeysForPrincipalPolicyOutput, error) {
	b, err := a.bearer(ctx, *in.PolicySourceArn)
	if err != nil {
		return nil, err
	}
	given, err := a.compile("PolicyInputList", in.PolicyInputList, document.Inline)
	return &iam.GetContextKeysForPrincipalPolicyOutput{ContextKeyNames: keysOf(append(given, b.Identity...))}, err
}

func keysOf(policies []*policy.Policy) []string {
	all := []string{}
	seen := map[string]bool{}
	for _, p := range policies {
		for _, key := range p.Keys() {
			if !seen[strings.ToLower(key)] {
				all = append(all, key)
			}
			seen[strings.ToLower(key)] = true
		}
	}
	return all
}
