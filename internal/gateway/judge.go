package gateway

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/gateway/denial"
	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/policy/session"
	"github.com/skylift/skylift/internal/wire"
	"github.com/skylift/skylift/internal/wire/authz"
)

// Identity is who a caller is for policy.
type Identity struct {
	Principal policy.Principal
	Policies  policy.Policies   // without those of resources
	Tags      map[string]string // of the user or role, and of the session over them
	Issued    time.Time         // of temporary credentials; zero for a long-term key
}

// Identities knows what callers may do.
type Identities interface {
	// Identity returns what policy must know of c, or caller.ErrUnknownKey when it is gone by now. The zero Caller is who signed nothing.
	Identity(ctx context.Context, c caller.Caller) (Identity, error)
}

// onlyRoot is an account that has no users and no roles.
type onlyRoot struct{}

func (onlyRoot) Identity(_ context.Context, c caller.Caller) (Identity, error) {
	if c.ARN == "" {
		return Identity{}, nil
	}
	p := policy.Principal{Type: policy.User, Account: c.Account, ARN: c.ARN, Entity: c.ARN, EntityID: c.UserID, UserID: c.UserID}
	if strings.HasSuffix(c.ARN, ":root") {
		p = policy.Principal{Type: policy.Root, Account: c.Account, ARN: c.ARN, UserID: c.UserID}
	}
	return Identity{Principal: p}, nil
}

// authorize asks policy whether the caller may do what the call says, and notes for the audit what was asked. The context that it returns
// carries who calls, for operations that ask policy by themselves.
func (c *call) authorize(ctx context.Context, in *wire.Call) (context.Context, error) {
	who, err := c.g.cfg.Identities.Identity(ctx, c.caller)
	if err != nil {
		return ctx, stranger(err)
	}
	ctx = c.judged(ctx, who)
	known := c.g.cfg.Known
	if who.Principal.Type == policy.Root && !c.guarded() || in.Open() {
		known = nil // nothing asks for a resource's tags
	}
	questions, err := in.Questions(ctx, arn.Namespace{Region: c.g.cfg.Region, Account: c.caller.Account}, known)
	if err != nil {
		return ctx, err
	}
	c.resources = authz.Resources(questions)
	keys := c.keys(who)
	ctx = session.With(ctx, session.Caller{Principal: who.Principal, Policies: who.Policies, Keys: keys, Refused: c.refuse})
	if in.Open() {
		c.note(questions)
		return ctx, nil
	}
	return ctx, c.judge(ctx, who, keys, questions)
}

// guarded says whether policies of resources may ask what is known of them, so that root is judged by it, too.
func (c *call) guarded() bool {
	return slices.Contains([]string{s3Service, "kms", "secretsmanager"}, c.service)
}

// asked is a question of an operation's. The resource may have authz.VersionMark and a version behind it.
func asked(action, resource string, keys map[string][]string) []authz.Question {
	resource, version, _ := strings.Cut(resource, authz.VersionMark)
	return []authz.Question{{Action: action, Resource: resource, Version: version, Keys: keys}}
}

// judged returns a context in which policy is asked about what the call turns out to be about, besides.
func (c *call) judged(ctx context.Context, who Identity) context.Context {
	return caller.WithJudge(ctx, func(ctx context.Context, action, resource string, keys map[string][]string) error {
		return c.ask(ctx, who, asked(action, resource, keys))
	})
}

// note keeps for the audit which actions policy is asked about.
func (c *call) note(asked []authz.Question) {
	for _, q := range asked {
		if !slices.Contains(c.actions, q.Action) {
			c.actions = append(c.actions, q.Action)
		}
	}
}

// judge refuses the call when the answer to one of the questions is no.
func (c *call) judge(ctx context.Context, who Identity, keys policy.Keys, asked []authz.Question) error {
	c.note(asked)
	for _, q := range asked {
		if err := c.g.guard(ctx, &who, q); err != nil {
			return err
		}
		one := policy.Call{Caller: who.Principal, Action: q.Action, Resource: q.Resource, Keys: keys.With(keysOf(q))}
		if who.Principal.Type != policy.Root {
			one.Owner = ownerOf(q.Resource)
		}
		if d := policy.Decide(one, who.Policies); !d.Allowed() {
			c.refuse(one, who.Policies, d)
			return c.denied(one, d)
		}
	}
	return nil
}

// refuse notes for the audit what policy denied.
func (c *call) refuse(one policy.Call, p policy.Policies, d policy.Decision) {
	c.refused = denial.Refused(one, p, d)
}

// ownerOf returns the account in an ARN; "" where there is none.
func ownerOf(resource string) string {
	a, err := arn.Parse(resource)
	if err != nil || len(a.Account) != 12 {
		return ""
	}
	return a.Account
}

// keysOf returns a question's condition keys.
func keysOf(q authz.Question) (k policy.Keys) {
	for name, values := range q.Keys {
		if len(values) == 1 && name != "aws:tagkeys" {
			k.Set(name, values[0])
		} else {
			k.SetMany(name, values...)
		}
	}
	return k
}

// keys returns the condition keys that are about the caller and the call
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html).
func (c *call) keys(who Identity) policy.Keys {
	k := who.Principal.Keys()
	for name, value := range who.Tags {
		k.Set("aws:PrincipalTag/"+name, value)
	}
	k.Set("aws:CurrentTime", c.start.UTC().Format(time.RFC3339))
	k.Set("aws:EpochTime", strconv.FormatInt(c.start.Unix(), 10))
	k.Set("aws:SecureTransport", strconv.FormatBool(c.r.TLS != nil))
	k.Set("aws:ViaAWSService", "false")
	k.Set("aws:RequestedRegion", c.requested())
	if host, _, err := net.SplitHostPort(c.r.RemoteAddr); err == nil {
		k.Set("aws:SourceIp", host)
	}
	for name, value := range map[string]string{"aws:UserAgent": c.r.UserAgent(), "aws:Referer": c.r.Referer()} {
		if value != "" {
			k.Set(name, value)
		}
	}
	if c.service == s3Service {
		c.objectKeys(&k)
	}
	if !who.Issued.IsZero() {
		k.Set("aws:TokenIssueTime", who.Issued.UTC().Format(time.RFC3339))
		k.Set("aws:MultiFactorAuthPresent", "false")
	}
	if s := c.caller.Session; s != nil {
		for name, value := range map[string]string{"aws:SourceIdentity": s.SourceIdentity, "aws:FederatedProvider": s.Provider} {
			if value != "" {
				k.Set(name, value)
			}
		}
	}
	return k
}

// requested is the region that the call is for.
func (c *call) requested() string {
	if c.svc != nil && c.svc.Global() {
		return globalRegion
	}
	return c.g.cfg.Region
}

// denied refuses the call in the words and by the code of the caller's protocol
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html,
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html).
func (c *call) denied(asked policy.Call, d policy.Decision) error {
	why := c.explain(d, asked)
	switch c.protocol() {
	case wire.AWSQuery, wire.RESTXML:
		return refusal("AccessDenied", http.StatusForbidden, "%s", why)
	case wire.EC2Query:
		return refusal("UnauthorizedOperation", http.StatusForbidden, "You are not authorized to perform this operation. %s%s", why, denial.InSecret(c.g.cfg.Encode, asked, d))
	case wire.RESTJSON:
		return refusal("AccessDeniedException", http.StatusForbidden, "%s", why)
	}
	return refusal("AccessDeniedException", http.StatusBadRequest, "%s", why)
}
