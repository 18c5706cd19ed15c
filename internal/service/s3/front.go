package s3

import (
	"context"
	"strings"
	"sync"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/policy/document"
	"github.com/skylift/skylift/internal/service/s3/config"
	"github.com/skylift/skylift/internal/service/s3/record"
	"github.com/skylift/skylift/internal/store"
)

// policies are those of buckets, compiled, as long as their texts stay.
type policies struct {
	mu sync.Mutex
	by map[string]compiled
}

type compiled struct {
	text   string
	policy *policy.Policy
	public bool
}

func (p *policies) of(b *record.Bucket) (compiled, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c, ok := p.by[b.Name]; ok && c.text == b.Policy {
		return c, nil
	}
	d, err := document.Parse(b.Policy)
	if err != nil {
		return compiled{}, err
	}
	c := compiled{text: b.Policy, public: config.Public(d)}
	if c.policy, err = config.Compile(b.Policy, d, b.Name); err != nil {
		return compiled{}, err
	}
	if p.by == nil {
		p.by = map[string]compiled{}
	}
	p.by[b.Name] = c
	return c, nil
}

// own are the actions that the account's root may always take, so that it can't be locked out
// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketPolicy.html).
var own = map[string]bool{"s3:GetBucketPolicy": true, "s3:PutBucketPolicy": true, "s3:DeleteBucketPolicy": true}

// Policy returns the policy of the bucket that a resource, an ARN, is or is in; nil when there is none, or it doesn't count: for
// root's way back, and for strangers where public buckets are restricted.
func (a *API) Policy(ctx context.Context, who policy.Principal, action, resource string) (*policy.Policy, error) {
	name, _, ok := split(resource)
	if !ok || who.Type == policy.Root && own[action] {
		return nil, nil
	}
	b, err := handler.View(ctx, a.scope.DB, func(tx store.Tx) (record.Bucket, error) {
		b, _, err := handler.Find(tx, record.Buckets, name)
		return b, err
	})
	if err != nil || b.Policy == "" {
		return nil, err
	}
	c, err := a.policies.of(&b)
	if err != nil || who.Type == policy.Anonymous && c.public && b.Access != nil && b.Access.Restrict {
		return nil, err
	}
	return c.policy, nil
}

// HasBucket says whether there is a bucket of that name.
func (a *API) HasBucket(ctx context.Context, name string) bool {
	ok, err := handler.View(ctx, a.scope.DB, func(tx store.Tx) (bool, error) {
		_, ok, err := handler.Find(tx, record.Buckets, name)
		return ok, err
	})
	return ok && err == nil
}

// CORS returns the headers that let a page of that origin make a request with the method and the headers to a bucket; nil when
// no rule of the bucket does.
func (a *API) CORS(ctx context.Context, bucket, origin, method string, headers []string) map[string]string {
	b, err := handler.View(ctx, a.scope.DB, func(tx store.Tx) (record.Bucket, error) {
		b, _, err := handler.Find(tx, record.Buckets, bucket)
		return b, err
	})
	if err != nil || origin == "" {
		return nil
	}
	c, ok := config.Allowed(b.CORS, origin, method, headers)
	if !ok {
		return nil
	}
	h := map[string]string{
		"Access-Control-Allow-Origin": c.Origin, "Access-Control-Allow-Methods": strings.Join(c.Methods, ", "), "Access-Control-Allow-Credentials": "true",
		"Vary": "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
	}
	if c.Any {
		h["Access-Control-Allow-Origin"] = "*"
		delete(h, "Access-Control-Allow-Credentials")
	}
	for name, value := range map[string]string{
		"Access-Control-Expose-Headers": strings.Join(c.Expose, ", "), "Access-Control-Allow-Headers": strings.Join(c.Headers, ", "), "Access-Control-Max-Age": c.MaxAge,
	} {
		if value != "" {
			h[name] = value
		}
	}
	return h
}
