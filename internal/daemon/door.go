package daemon

import (
	"errors"
	"net/http"

	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/gateway"
	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/service/ecr/access"
	"github.com/skylift/skylift/internal/service/ecr/link"
	"github.com/skylift/skylift/internal/service/ecr/login"
	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/wire/authz"
)

// registryDoor lets callers in to the registry by the passwords that ECR gave them.
type registryDoor struct {
	ns       arn.Namespace
	records  *record.Records
	registry *registry.Registry
}

// Enter says whose password a request bears, and what policy is asked about it. The
// instance itself only pulls, and isn't judged.
func (d registryDoor) Enter(r *http.Request) (gateway.Entry, error) {
	e := gateway.Entry{Service: "ecr", Without: registry.WithoutFrom}
	name, password, ok := r.BasicAuth()
	if !ok {
		return e, registry.Unauthorized("authentication required")
	}
	holder, err := d.records.Holder(name, password)
	switch {
	case err != nil:
		return e, err
	case holder != nil:
		e.Caller = *holder
		e.Asked, e.Hoped = access.Questions(d.ns, registry.WantsOf(r))
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return e, registry.Denied("This authorization token is for pulls only.")
	}
	return e, nil
}

// Refuse answers in the registry's form. Whoever lost the access key, or was deleted,
// has to log in again, which then says why that isn't possible.
func (d registryDoor) Refuse(w http.ResponseWriter, r *http.Request, err error) (code string) {
	if errors.Is(err, gateway.ErrGone) {
		err = login.Expired()
	}
	if denied, ok := errors.AsType[smithy.APIError](err); ok {
		err = registry.Denied(denied.ErrorMessage())
	}
	return d.registry.Refuse(w, r, err)
}

// layerDoor lets in whoever has a link to a layer.
type layerDoor struct {
	ns       arn.Namespace
	links    *link.Links
	registry *registry.Registry
}

// layerMount is where links to layers lead.
func layerMount(ns arn.Namespace, l *link.Links, r *registry.Registry) gateway.Mount {
	d := layerDoor{ns, l, r}
	return gateway.Mount{Prefix: link.Prefix, Door: d, Handler: d}
}

// Enter lets a request in whose link is good. Policy was asked when the link was made.
func (d layerDoor) Enter(r *http.Request) (gateway.Entry, error) {
	e := gateway.Entry{Service: "ecr"}
	repo, _, who, err := d.links.Check(r)
	if err != nil {
		return e, err
	}
	e.Caller = caller.Caller{Account: d.ns.Account, ARN: who}
	e.Is = &authz.Question{Action: "ecr:GetDownloadUrlForLayer", Resource: d.ns.ARN("ecr", "repository/"+repo)}
	return e, nil
}

// Refuse answers in the registry's form.
func (d layerDoor) Refuse(w http.ResponseWriter, r *http.Request, err error) (code string) {
	return d.registry.Refuse(w, r, err)
}

func (d layerDoor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	repo, digest, _, err := d.links.Check(r)
	if err != nil {
		d.registry.Refuse(w, r, err)
		return
	}
	d.registry.ServeLayer(w, r, repo, digest)
}
