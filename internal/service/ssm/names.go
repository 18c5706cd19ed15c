package ssm

import (
	"context"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// The bounds of a name
// (https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html).
const (
	maxName   = 1011 // with the ARN before it
	maxLevels = 15
)

var nameForm = regexp.MustCompile(`^[A-Za-z0-9_.\-/]+$`)

const subPaths = " (case-insensitive). If formed as a path, it can consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_"

// nameFault is what is wrong with the name of a new parameter.
func (a *API) nameFault(name string) error {
	bare := strings.ToLower(strings.TrimPrefix(name, "/"))
	isPath := strings.Contains(name, "/")
	switch {
	case isPath && (bare == "aws" || strings.HasPrefix(bare, "aws/")):
		return awserr.New("AccessDeniedException", "No access to reserved parameter name: %s.", name)
	case isPath && (strings.HasPrefix(bare, "aws") || strings.HasPrefix(bare, "ssm")), strings.HasPrefix(bare, "aws"):
		return invalid(`Parameter name: can't be prefixed with "aws" or "ssm"%s`, subPaths)
	case strings.HasPrefix(bare, "ssm"):
		return invalid(`Parameter name: can't be prefixed with "ssm"%s`, subPaths)
	case !nameForm.MatchString(name):
		return invalid("Parameter name: only a mix of letters, numbers and the following 4 symbols .-_/ are allowed.")
	case isPath && !strings.HasPrefix(name, "/"):
		return invalid("Parameter name must be a fully qualified name.")
	case strings.HasSuffix(name, "/"), strings.Contains(name, "//"):
		return invalid("Parameter name must not end with a slash, and must not have an empty sub-path.")
	case strings.Count(name, "/") > maxLevels:
		return &types.HierarchyLevelLimitExceededException{Message: new("A hierarchy can have a maximum of 15 levels.")}
	case len(a.arn(name)) > maxName:
		return invalid("Parameter name: with the ARN before it, it can have at most %d characters.", maxName)
	}
	return nil
}

func (a *API) arn(name string) string {
	return a.ns.ARN("ssm", "parameter/"+strings.TrimPrefix(name, "/"))
}

// public refuses parameters that AWS publishes, and secrets by way of parameters.
func public(name string) error {
	bare := strings.ToLower(strings.TrimPrefix(name, "/"))
	switch {
	case strings.HasPrefix(bare, "aws/reference/secretsmanager/"):
		return invalid("The parameter '%s' is not supported by Skylift: ask Secrets Manager for the secret.", name)
	case strings.HasPrefix(bare, "aws/service/"):
		return invalid("The public parameter '%s' is not supported by Skylift: there are none.", name)
	}
	return nil
}

// reference is what a call names: a parameter, and a version or a label of it.
type reference struct {
	names    []string // that it may have: an ARN doesn't tell whether there is a slash
	selector string   // "", "3" or "label"
}

// parse reads a name, or an ARN, with a selector behind it.
func (a *API) parse(text string) (reference, error) {
	rest, names := text, []string(nil)
	if strings.HasPrefix(text, "arn:") {
		r, err := arn.Parse(text)
		name, ok := strings.CutPrefix(r.Resource, "parameter/")
		if err != nil || !ok || r.Service != "ssm" {
			return reference{}, invalid("The parameter name '%s' is not a valid ARN of a parameter.", text)
		}
		if r.Region != a.ns.Region || r.Account != a.ns.Account {
			return reference{}, noParameter(text)
		}
		rest = name
	}
	name, selector, _ := strings.Cut(rest, ":")
	switch {
	case rest == text:
		names = []string{name}
	case strings.Contains(name, "/"):
		names = []string{"/" + name}
	default:
		names = []string{name, "/" + name}
	}
	return reference{names, selector}, public(names[0])
}

// named returns the ARNs of the parameters that refs name.
func (a *API) named(_ context.Context, refs []string) (arns []string) {
	for _, ref := range refs {
		if r, err := a.parse(ref); err == nil {
			arns = append(arns, a.arn(r.names[0]))
		}
	}
	return arns
}

// tagged returns the parameter whose tags a call is about.
func (a *API) tagged(tx store.Tx, resource string) (Parameter, error) {
	r, err := a.parse(resource)
	if err != nil {
		return Parameter{}, err
	}
	for _, name := range r.names {
		p, there, err := handler.Find(tx, Parameters, name)
		if err != nil || there {
			return p, err
		}
	}
	return Parameter{}, &types.InvalidResourceId{Message: new("The resource ID is not valid. Verify that you entered the correct ID and try again.")}
}
