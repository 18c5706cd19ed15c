package gateway

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/gateway/virtualhost"
	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/sigv4"
	"github.com/skylift/skylift/internal/wire/authz"
)

// s3Service is the name that requests to S3 are signed for. They may also not be signed at all.
const s3Service = "s3"

// Objects is S3 as the front door sees it.
type Objects interface {
	HasBucket(ctx context.Context, name string) bool
	// Policy returns the policy that the resource, an ARN, has of its own; nil when it has none that counts.
	Policy(ctx context.Context, who policy.Principal, action, resource string) (*policy.Policy, error)
	// CORS returns the headers that let a page of that origin make such a request to a bucket; nil when it may not.
	CORS(ctx context.Context, bucket, origin, method string, headers []string) map[string]string
}

// forObjects says whether a request is S3's, whatever its path: it is signed so, or says a bucket by its host.
func (g *Gateway) forObjects(r *http.Request) bool {
	if g.services[s3Service] == nil {
		return false
	}
	const scope = "/" + s3Service + "/aws4_request"
	if strings.Contains(r.Header.Get("Authorization"), scope) || virtualhost.Bucket(r.Host) != "" {
		return true
	}
	return strings.HasSuffix(r.URL.Query().Get("X-Amz-Credential"), scope)
}

// hasBucket says whether a request that nobody signed is for a bucket that is there.
func (g *Gateway) hasBucket(r *http.Request) bool {
	if g.cfg.Objects == nil || g.services[s3Service] == nil || r.Header.Get("X-Amz-Target") != "" {
		return false
	}
	b := virtualhost.BucketOf(r)
	return b != "" && (virtualhost.Bucket(r.Host) != "" || g.cfg.Objects.HasBucket(r.Context(), b))
}

// stranger admits a request to S3 that nobody signed: a bucket's policy may let everybody in, and an HTML form is signed by a
// field of it.
func (c *call) stranger() ([]byte, error) {
	c.service, c.svc = s3Service, c.g.services[s3Service]
	c.r = virtualhost.PathStyle(c.r)
	if c.r.URL.Query().Has("AWSAccessKeyId") { // Signature Version 2
		c.in.refuse()
		return nil, refusal("InvalidRequest", http.StatusBadRequest, "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")
	}
	if c.r.Method == http.MethodPost && strings.HasPrefix(c.r.Header.Get("Content-Type"), "multipart/form-data") {
		return nil, c.readForm()
	}
	if c.svc.Streams(c.r) {
		r := *c.r
		r.Body = &opened{r: c.r.Body, in: c.in}
		c.r = &r
		return nil, nil
	}
	body, err := c.read(c.g.cfg.MaxBody)
	if err == nil && body == nil {
		body = []byte{}
	}
	return body, err
}

// guard gives who the policy that the question's resource has of its own.
func (g *Gateway) guard(ctx context.Context, who *Identity, q authz.Question) (err error) {
	who.Policies.Resource = nil
	switch {
	case g.cfg.Objects != nil && strings.HasPrefix(q.Resource, "arn:aws:s3:::"):
		who.Policies.Resource, err = g.cfg.Objects.Policy(ctx, who.Principal, q.Action, q.Resource)
	case g.cfg.Own != nil:
		who.Policies.Resource, err = g.cfg.Own(ctx, q.Action, q.Marked())
	}
	return err
}

// explain says why a call is denied. S3 has the resource in quotation marks, and tells strangers nothing.
func (c *call) explain(d policy.Decision, one policy.Call) string {
	if c.service != s3Service {
		return d.Explain(one)
	}
	if one.Caller.ARN == "" {
		return "Access Denied"
	}
	one.Resource = strconv.Quote(one.Resource)
	return d.Explain(one)
}

// objectKeys sets the condition keys that S3 has for every request
// (https://docs.aws.amazon.com/AmazonS3/latest/API/bucket-policy-s3-sigv4-conditions.html).
func (c *call) objectKeys(k *policy.Keys) {
	if c.caller.Account != "" {
		k.Set("s3:ResourceAccount", c.caller.Account)
	}
	if sum := c.r.Header.Get("X-Amz-Content-Sha256"); sum != "" {
		k.Set("s3:x-amz-content-sha256", sum)
	}
	q := c.r.URL.Query()
	switch {
	case c.form != nil && c.caller.ARN != "":
		k.Set("s3:authType", "POST")
	case c.r.Header.Get("Authorization") != "":
		k.Set("s3:authType", "REST-HEADER")
	case q.Get("X-Amz-Signature") != "":
		k.Set("s3:authType", "REST-QUERY-STRING")
		if at, err := time.Parse("20060102T150405Z", q.Get("X-Amz-Date")); err == nil {
			k.Set("s3:signatureAge", strconv.FormatInt(time.Since(at).Milliseconds(), 10))
		}
	}
	if c.caller.ARN != "" {
		k.Set("s3:signatureversion", "AWS4-HMAC-SHA256")
	}
	if c.r.TLS != nil {
		k.Set("s3:TlsVersion", map[uint16]string{0x0303: "1.2", 0x0304: "1.3"}[c.r.TLS.Version])
	}
}

// The headers of CORS (https://fetch.spec.whatwg.org/#http-cors-protocol).
const (
	corsMethod  = "Access-Control-Request-Method"
	corsHeaders = "Access-Control-Request-Headers"
)

// cors tells a browser whether its page may read the answer.
func (c *call) cors() {
	origin := c.r.Header.Get("Origin")
	if origin == "" || c.g.cfg.Objects == nil || !c.g.forObjects(c.r) && !c.g.hasBucket(c.r) {
		return
	}
	for name, value := range c.g.cfg.Objects.CORS(c.r.Context(), virtualhost.BucketOf(c.r), origin, c.r.Method, nil) {
		c.w.Header().Set(name, value)
	}
}

// preflight answers a browser that asks what its page may do with a bucket. It says whether it did.
func (c *call) preflight() bool {
	if c.r.Method != http.MethodOptions || !c.g.hasBucket(c.r) {
		return false
	}
	c.service, c.action, c.svc = s3Service, "OPTIONS", c.g.services[s3Service]
	method := c.r.Header.Get(corsMethod)
	if c.r.Header.Get("Origin") == "" || method == "" {
		c.fail(refusal("BadRequest", http.StatusBadRequest, "Insufficient information. Origin request header needed."))
		return true
	}
	var headers []string
	for h := range strings.SplitSeq(c.r.Header.Get(corsHeaders), ",") {
		if h = strings.TrimSpace(h); h != "" {
			headers = append(headers, strings.ToLower(h))
		}
	}
	allowed := c.g.cfg.Objects.CORS(c.r.Context(), virtualhost.BucketOf(c.r), c.r.Header.Get("Origin"), method, headers)
	if allowed == nil {
		c.fail(refusal("AccessForbidden", http.StatusForbidden, "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, "+
			"request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec."))
		return true
	}
	for name, value := range allowed {
		c.w.Header().Set(name, value)
	}
	c.w.WriteHeader(http.StatusOK)
	return true
}

// As returns a context in which a part of Skylift acts for a caller, whose policies and those of the resources are asked.
func (g *Gateway) As(ctx context.Context, who caller.Caller) (context.Context, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, (&url.URL{Scheme: "http", Host: "localhost"}).String(), nil)
	if err != nil {
		return ctx, err
	}
	c := &call{g: g, r: r, start: time.Now(), caller: who, service: s3Service}
	id, err := g.cfg.Identities.Identity(ctx, who)
	if err != nil {
		return ctx, err
	}
	return c.judged(caller.With(ctx, who), id), nil
}

// signed returns what the signature of a form must be good for.
func (c *call) signed(secret string) sigv4.Want {
	return sigv4.Want{Secret: secret, Regions: c.regions(), Service: s3Service, Now: time.Now()}
}
