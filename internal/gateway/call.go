package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/gateway/denial"
	"github.com/skylift/skylift/internal/gateway/form"
	"github.com/skylift/skylift/internal/sigv4"
	"github.com/skylift/skylift/internal/wire"
	"github.com/skylift/skylift/internal/wire/authz"
	"github.com/skylift/skylift/internal/wire/sniff"
)

// maxUnsigned bounds how much is read of a request that will be refused: enough
// to see which protocol it speaks.
const maxUnsigned = 64 << 10

// maxNote bounds what a caller can put into the audit log.
const maxNote = 256

// short cuts s at that bound, and says so.
func short(s string) string {
	if len(s) <= maxNote {
		return s
	}
	return strings.ToValidUTF8(s[:maxNote-len("…")], "") + "…"
}

// call is one request on its way through: each step knows a little more.
type call struct {
	g     *Gateway
	w     *recorder
	r     *http.Request
	in    *body // nil when there is none
	id    string
	start time.Time
	mount *Mount        // nil for an API call
	svc   *wire.Service // nil when the scope names none of ours

	body            []byte     // as far as it was read
	form            *form.Form // nil unless an HTML form is what is sent
	caller          caller.Caller
	service, action string
	actions         []string        // that policy was asked about, as ecs:RunTask
	resources       []string        // ARNs, or "*" alone
	refused         *denial.Refusal // what policy denied last; nil when nothing
	code            string          // of the error answered; "" when all is well
	kept            []string        // what the answer accepted and has no effect
}

// serve answers the call, whatever happens, and writes the audit line.
func (c *call) serve() {
	defer c.audit()
	defer c.caught()
	var err error
	if c.preflight() {
		return
	}
	c.cors()
	if c.mount == nil && c.g.forObjects(c.r) { // so that it is told of faults in S3's words
		c.service, c.svc = s3Service, c.g.services[s3Service]
	}
	if c.body, err = c.admit(); err == nil {
		err = c.handle()
	}
	if err != nil {
		c.fail(err)
	}
}

// admit verifies who calls and returns the body.
func (c *call) admit() ([]byte, error) {
	sig, err := sigv4.Parse(c.r)
	if e, ok := errors.AsType[*sigv4.Error](err); ok && e.Kind == sigv4.Missing && c.g.hasBucket(c.r) {
		return c.stranger()
	}
	if err != nil {
		body := c.hint()
		if c.unsigned(err, body) {
			return body, nil
		}
		return body, err
	}
	c.service, c.svc = sig.Scope.Service, c.g.services[sig.Scope.Service]
	who, secret, err := c.g.cfg.Keys.Lookup(sig.AccessKeyID, sig.SessionToken)
	if err == nil && who.Session.Barred(c.service) {
		err = caller.ErrUnknownKey
	}
	if err != nil {
		return c.hint(), stranger(err)
	}
	want := sigv4.Want{Secret: secret, Regions: c.regions(), Service: c.service, Now: time.Now()}
	if c.mount != nil {
		want.Service = c.mount.Service
	}
	if c.mount == nil && c.svc != nil && c.svc.UnsignedPayload() {
		body, err := c.open(sig, want)
		if err == nil {
			c.caller = who
		}
		return body, err
	}
	body, err := c.read(c.g.cfg.MaxBody)
	if err != nil {
		return nil, err
	}
	if err := sig.Verify(c.r, body, want); err != nil {
		return body, err
	}
	c.caller = who
	return body, nil
}

// stranger says why nobody is known by an access key.
func stranger(err error) error {
	e := &sigv4.Error{Kind: sigv4.UnknownKey, Message: "The security token included in the request is invalid."}
	switch {
	case errors.Is(err, caller.ErrExpired):
		e.Kind, e.Message = sigv4.OldToken, "The security token included in the request is expired"
	case errors.Is(err, caller.ErrBadToken):
		e.Kind = sigv4.BadToken
	case !errors.Is(err, caller.ErrUnknownKey):
		return err
	}
	return e
}

// unsigned says whether the call, which can't be read as a signed one, is one that nobody need sign, and notes which service's.
func (c *call) unsigned(err error, body []byte) bool {
	if e, ok := errors.AsType[*sigv4.Error](err); !ok || e.Kind != sigv4.Missing || c.mount != nil {
		return false
	}
	for name, s := range c.g.services {
		if s.Unsigned(c.r, body) {
			c.service, c.svc = name, s
			return true
		}
	}
	return false
}

// regions returns what the call may be signed for. Clients sign for global
// services as in us-east-1, whatever their own region.
func (c *call) regions() []string {
	regions := []string{c.g.cfg.Region}
	if c.svc != nil && c.svc.Global() {
		regions = append(regions, globalRegion)
	}
	return regions
}

// hint returns the body of a call that is refused, if only the body tells which
// protocol it speaks.
func (c *call) hint() []byte {
	defer c.in.refuse()
	h := c.r.Header
	if c.in == nil || c.svc != nil || c.mount != nil || h.Get("X-Amz-Target") != "" || strings.Contains(h.Get("Content-Type"), "json") {
		return nil
	}
	c.in.within = min(c.in.within, strangerTimeout)
	body, _ := c.read(maxUnsigned) // none, if it is too long or too late
	return body
}

// slowest is the least average pace of a call's body, in bytes a second.
const slowest = 8 << 10

// read returns the body, of at most limit bytes, sent in good time.
func (c *call) read(limit int64) ([]byte, error) {
	if c.in == nil {
		return nil, nil
	}
	c.in.pace = slowest
	body, err := io.ReadAll(http.MaxBytesReader(c.w.ResponseWriter, c.r.Body, limit))
	if err == nil {
		return body, nil
	}
	c.in.refuse()
	if _, ok := errors.AsType[*sigv4.Error](err); ok {
		return nil, err
	}
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, refusal("RequestEntityTooLarge", http.StatusRequestEntityTooLarge, "The request body must not be larger than %d bytes.", tooLarge.Limit)
	}
	return nil, refusal("RequestTimeout", http.StatusRequestTimeout, "The request body was not received whole in time: the next bytes of it must come within %s.", c.in.within)
}

// handle runs the handler of an admitted call and answers with what it says.
func (c *call) handle() error {
	ctx := caller.With(c.r.Context(), c.caller)
	if c.mount != nil {
		return c.handleMount(ctx)
	}
	if c.svc == nil {
		return c.unknownService()
	}
	if c.form != nil {
		return c.post(ctx)
	}
	in, err := c.svc.Decode(c.r, c.body)
	if err != nil {
		c.action = short(c.svc.OperationName(c.r, c.body))
		return err
	}
	c.action = in.Operation
	if c.caller.ARN == "" && c.service != s3Service && !in.Unsigned() { // whatever let it in
		return &sigv4.Error{Kind: sigv4.Missing, Message: "Request is missing Authentication Token"}
	}
	if ctx, err = c.authorize(ctx, in); err != nil {
		return err
	}
	if c.g.cfg.Context != nil {
		ctx = c.g.cfg.Context(ctx, c.service, c.action)
	}
	if in.Lasts() {
		var done func()
		ctx, done = lasting(ctx)
		defer done()
	}
	out, err := in.Do(ctx)
	if err != nil {
		return err
	}
	c.kept = in.Kept
	err = c.svc.Encode(c.w, in, c.id, out)
	if errors.Is(err, wire.ErrCut) {
		if c.r.Context().Err() == nil {
			c.g.cfg.Log.Error("answer cut off", "request", c.id, "service", c.service, "action", c.action, "err", err)
		}
		panic(http.ErrAbortHandler) // it must not look whole
	}
	if err != nil {
		return fmt.Errorf("encode %s: %w", in.Operation, err)
	}
	return nil
}

func (c *call) handleMount(ctx context.Context) error {
	c.action, c.resources = c.r.Method, []string{c.r.URL.Path}
	who, err := c.g.cfg.Identities.Identity(ctx, c.caller)
	if err != nil {
		return stranger(err)
	}
	if err := c.judge(ctx, who, c.keys(who), []authz.Question{{Action: c.service + ":" + c.action, Resource: c.r.URL.Path}}); err != nil {
		return err
	}
	r := c.r.WithContext(ctx)
	r.Body = io.NopCloser(bytes.NewReader(c.body))
	c.mount.Handler.ServeHTTP(c.w, r)
	return nil
}

func (c *call) unknownService() error {
	var have []string
	for name := range c.g.services {
		have = append(have, name)
	}
	slices.Sort(have)
	code := "InvalidAction"
	if c.dialect() == sigv4.JSON {
		code = "UnknownOperationException"
	}
	return refusal(code, http.StatusBadRequest, "Skylift has no service '%s'. It has: %s.", c.service, strings.Join(have, ", "))
}

// fail answers with err in the protocol of the caller.
func (c *call) fail(err error) {
	c.in.refuse() // where the handler did not read all of it
	if errors.Is(err, context.Canceled) && c.r.Context().Err() != nil {
		c.code = "ClientGone" // nobody reads an answer
		return
	}
	if e, ok := errors.AsType[*sigv4.Error](err); ok {
		a := e.For(c.dialect())
		if c.dialect() == sigv4.S3 && e.Kind == sigv4.Incomplete && c.r.Header.Get("Authorization") == "" {
			a.Code = "AuthorizationQueryParametersError"
		}
		err = refusal(a.Code, a.Status, "%s", a.Message)
	}
	if _, ok := errors.AsType[smithy.APIError](err); !ok {
		err = c.unavailable(err)
	}
	if _, ok := errors.AsType[smithy.APIError](err); !ok {
		c.g.cfg.Log.Error("call failed", "request", c.id, "service", c.service, "action", c.action, "err", err)
	}
	c.code = awserr.ForCaller(err).ErrorCode()
	if r, ok := errors.AsType[*refused](err); ok {
		c.w.force = r.status
	}
	switch {
	case c.w.status != 0: // too late to say so
	case c.svc != nil && c.mount == nil:
		c.svc.EncodeError(c.protocol(), c.w, c.id, err)
	default:
		wire.EncodeErrorAs(c.protocol(), c.w, c.id, err)
	}
}

// unavailable returns err, or the refusal that it means.
func (c *call) unavailable(err error) error {
	if c.g.cfg.Unavailable == nil {
		return err
	}
	why := c.g.cfg.Unavailable(err)
	if why == "" {
		return err
	}
	code := "ServiceUnavailable"
	if c.dialect() == sigv4.JSON {
		code = "ServiceUnavailableException"
	}
	return refusal(code, http.StatusServiceUnavailable, "%s", why)
}

func (c *call) protocol() wire.Protocol {
	switch {
	case c.mount != nil:
		return wire.AWSJSON11
	case c.svc != nil:
		return c.svc.Protocol(c.r, c.body)
	}
	if p := sniff.Protocol(c.r, c.body); p != wire.AWSJSON11 || c.r.Method == http.MethodPost {
		return p
	}
	return wire.AWSQuery // a browser, or a presigned URL that lost something
}

// dialect says which names errors have in the caller's protocol.
func (c *call) dialect() sigv4.Dialect {
	switch c.protocol() {
	case wire.AWSQuery:
		return sigv4.Query
	case wire.RESTXML:
		if c.service == "s3" {
			return sigv4.S3
		}
		return sigv4.Query
	case wire.EC2Query:
		return sigv4.EC2
	}
	return sigv4.JSON
}

// caught turns a panic into an answer. A handler that means to cut the
// connection may still do so.
func (c *call) caught() {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
		c.code = "Aborted"
		panic(p)
	}
	c.g.cfg.Log.Error("panic", "request", c.id, "service", c.service, "action", c.action, "err", fmt.Sprint(p), "stack", string(debug.Stack()))
	started := c.w.status != 0
	c.fail(refusal("InternalFailure", http.StatusInternalServerError, "The request processing has failed because of an unknown error, exception or failure."))
	if started {
		panic(http.ErrAbortHandler) // a cut answer must not look whole
	}
}

// audit writes the call's one line.
func (c *call) audit() {
	code := c.code
	if code == "" {
		code = "OK"
	}
	client, _, err := net.SplitHostPort(c.r.RemoteAddr)
	if err != nil {
		client = c.r.RemoteAddr
	}
	line := []any{
		"request", c.id, "caller", c.caller.ARN, "access_key", c.caller.AccessKeyID,
		"service", short(c.service), "action", short(c.action), "judged", short(strings.Join(c.actions, " ")), "resource", short(strings.Join(c.resources, " ")),
		"code", code, "status", c.w.status, "ms", time.Since(c.start).Milliseconds(), "client", client,
	}
	if r := c.refused; r != nil {
		line = append(line, "denied_by", short(r.By()))
		r.Request, r.At, r.Caller, r.AccessKey, r.Service, r.Operation = c.id, c.start.UTC(), c.caller.ARN, c.caller.AccessKeyID, c.service, c.action
		c.g.cfg.Refused(*r)
	}
	if len(c.kept) > 0 {
		slices.Sort(c.kept)
		line = append(line, "kept", short(strings.Join(slices.Compact(c.kept), " ")))
	}
	c.g.cfg.Log.Info("call", line...)
}
