package gateway

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/wire/authz"
)

// Door lets callers in to a mount by something else than a signature, such as a
// password.
type Door interface {
	// Enter says who makes a request, and what policy is asked about it.
	Enter(r *http.Request) (Entry, error)
	// Refuse answers a request that Enter, policy or ErrGone refused, and returns
	// the code of the answer for the audit.
	Refuse(w http.ResponseWriter, r *http.Request, err error) (code string)
}

// Entry is a request that a Door let in.
type Entry struct {
	Caller  caller.Caller
	Service string
	// Asked is what policy is asked. Without questions the request is judged by
	// nobody, and its caller's key isn't looked up.
	Asked []authz.Question
	// Is says what the request is to the audit, where policy was asked before.
	Is *authz.Question
	// Hoped is what the request would like to do besides. If policy denies one of
	// these, the request goes on as Without makes it.
	Hoped   []authz.Question
	Without func(*http.Request) *http.Request
}

// ErrGone says that the caller's access key is inactive, or gone with its user.
var ErrGone = errors.New("the access key is inactive or gone")

// serveDoor answers a call to a mount that has a Door, and writes the audit line.
func (c *call) serveDoor() {
	defer c.audit()
	defer c.caught()
	c.action, c.resources = c.r.Method, []string{c.r.URL.Path}
	r, err := c.enter(c.mount.Door)
	if err != nil {
		c.code = c.mount.Door.Refuse(c.w, c.r, err)
		return
	}
	c.mount.Handler.ServeHTTP(c.w, r)
	if c.w.status >= http.StatusBadRequest {
		c.code = strings.ReplaceAll(http.StatusText(c.w.status), " ", "")
	}
}

// enter returns the request that the handler gets, if its caller may make it.
func (c *call) enter(d Door) (*http.Request, error) {
	e, err := d.Enter(c.r)
	if err != nil {
		return nil, err
	}
	c.caller, c.service = e.Caller, e.Service
	ctx := caller.With(c.r.Context(), c.caller)
	r := c.r.WithContext(ctx)
	if e.Is != nil {
		_, c.action, _ = strings.Cut(e.Is.Action, ":")
		c.resources = []string{e.Is.Resource}
	}
	if len(e.Asked) == 0 {
		return r, nil
	}
	_, c.action, _ = strings.Cut(e.Asked[0].Action, ":")
	c.resources = authz.Resources(e.Asked)
	if !c.alive() {
		return nil, ErrGone
	}
	who, err := c.g.cfg.Identities.Identity(ctx, c.caller)
	if errors.Is(err, caller.ErrUnknownKey) {
		return nil, ErrGone
	}
	if err != nil {
		return nil, err
	}
	if err := c.ask(ctx, who, e.Asked); err != nil {
		return nil, err
	}
	r = r.WithContext(c.judged(ctx, who))
	if len(e.Hoped) > 0 && c.ask(ctx, who, e.Hoped) != nil {
		c.refused = nil // the call isn't denied
		return e.Without(r), nil
	}
	return r, nil
}

// alive tells whether the caller still has its access key. The key of a session is
// recorded nowhere: Identity says whether it is gone.
func (c *call) alive() bool {
	if c.caller.Session != nil {
		return true
	}
	now, _, err := c.g.cfg.Keys.Lookup(c.caller.AccessKeyID, "")
	return err == nil && now.UserID == c.caller.UserID
}

// ask refuses the call when the answer to one of the questions is no, with what is known of their resources.
func (c *call) ask(ctx context.Context, who Identity, asked []authz.Question) error {
	if who.Principal.Type != policy.Root || c.guarded() { // else nothing asks for the resources' tags
		if err := authz.Enrich(ctx, c.g.cfg.Known, asked); err != nil {
			return err
		}
	}
	return c.judge(ctx, who, c.keys(who), asked)
}
