package ssm

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/store"
)

// Value is what a valueFrom of a task definition names.
type Value struct{ Text, Version string }

// ValuesFrom returns what valueFroms of a task definition name, each a parameter's name or ARN with or without a version or label
// behind it, as the judge in ctx lets it. Why that can't be is an API's error in the words that Amazon ECS has in stoppedReason; it names
// every parameter that isn't there (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-ssm-paramstore.html).
func (a *API) ValuesFrom(ctx context.Context, valueFroms []string) (map[string]Value, error) {
	cannot := func(why string) error {
		return awserr.New("ResourceInitializationError", "service call has been retried 1 time(s): %s", why)
	}
	said := func(err error) error {
		if e, ok := errors.AsType[smithy.APIError](err); ok {
			return cannot(e.ErrorCode() + ": " + e.ErrorMessage())
		}
		return err
	}
	for _, ref := range valueFroms {
		if err := a.mayGet(ctx, ref); err != nil {
			return nil, said(err)
		}
	}
	out := map[string]Value{}
	var none []string
	for _, ref := range valueFroms {
		got, err := a.GetParameter(ctx, &ssm.GetParameterInput{Name: &ref, WithDecryption: new(true)})
		switch {
		case missing(err):
			none = append(none, ref)
		case err != nil:
			return nil, said(err)
		default:
			out[ref] = Value{Text: *got.Parameter.Value, Version: strconv.FormatInt(got.Parameter.Version, 10)}
		}
	}
	if len(none) > 0 {
		return nil, cannot("invalid parameters: " + strings.Join(none, ","))
	}
	return out, nil
}

// mayGet asks whether a parameter may be read.
func (a *API) mayGet(ctx context.Context, ref string) error {
	r, err := a.parse(ref)
	if err != nil {
		return err
	}
	return caller.Allowed(ctx, "ssm:GetParameters", a.arn(r.names[0]), nil)
}

// VersionFrom returns the version that a valueFrom names now; "" when there is none.
func (a *API) VersionFrom(tx store.Tx, valueFrom string) (string, error) {
	f, err := a.look(tx, valueFrom, time.Now())
	if _, none := errors.AsType[smithy.APIError](err); none {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return strconv.FormatInt(f.Number, 10), nil
}
