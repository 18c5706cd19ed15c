// Package ssm answers the API of AWS Systems Manager's Parameter Store.
//
// The value of a SecureString is sealed under a KMS key before it becomes a record,
// that of other parameters by the instance. A value is in no error and in no log.
package ssm

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/seal"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
	"github.com/skylift/skylift/internal/wire/authz"
)

// keys is KMS: it seals under the key that is named, or under the service's own
// when none is, and returns the ciphertext and the key's ARN. Whoever calls Seal must be
// allowed kms:GenerateDataKey, and whoever calls Encrypt kms:Encrypt.
type keys interface {
	Encrypt(ctx context.Context, key string, context map[string]string, plain []byte) (sealed []byte, keyARN string, err error)
	Seal(ctx context.Context, key string, context map[string]string, plain []byte) (sealed []byte, keyARN string, err error)
	Open(ctx context.Context, context map[string]string, sealed []byte) ([]byte, error)
}

// API has a handler for each operation.
type API struct {
	db   store.DB
	ns   arn.Namespace
	keys keys
	seal *seal.Sealer
}

// New returns an API over db's records. K seals the values of SecureStrings, and s
// those of others.
func New(db store.DB, ns arn.Namespace, k keys, s *seal.Sealer) *API {
	return &API{db: db, ns: ns, keys: k, seal: s}
}

// Operations lists what the API answers.
func (a *API) Operations() []wire.Operation {
	const (
		one     = "parameter: Name"
		tagged  = "parameter: ResourceId"
		filters = "ParameterFilters{*}"
	)
	return []wire.Operation{
		wire.Op("AddTagsToResource", a.AddTagsToResource).OnFound(tagged, a.named).Takes("ResourceType ResourceId Tags{*}"),
		wire.Op("DeleteParameter", a.DeleteParameter).OnFound(one, a.named).Takes("Name"),
		wire.Op("DeleteParameters", a.DeleteParameters).OnFound("parameter: Names", a.named).Takes("Names"),
		wire.Op("DescribeParameters", a.DescribeParameters).Takes("Filters{*} MaxResults NextToken", filters).Checks(describeFaults),
		wire.Op("GetParameter", a.GetParameter).OnFound(one, a.named).Takes("Name WithDecryption"),
		wire.Op("GetParameterHistory", a.GetParameterHistory).OnFound(one, a.named).Takes("Name WithDecryption MaxResults NextToken"),
		wire.Op("GetParameters", a.GetParameters).OnFound("parameter: Names", a.named).Takes("Names WithDecryption"),
		wire.Op("GetParametersByPath", a.GetParametersByPath).Keys("ssm:Recursive: Recursive=false").OnFound("parameter: Path", a.named).Takes("Path Recursive WithDecryption MaxResults NextToken", filters).
			Checks(byPathFaults),
		wire.Op("LabelParameterVersion", a.LabelParameterVersion).OnFound(one, a.named).Takes("Name ParameterVersion Labels"),
		wire.Op("ListTagsForResource", a.ListTagsForResource).OnFound(tagged, a.named).Takes("ResourceType ResourceId"),
		wire.Op("PutParameter", a.PutParameter).Keys("ssm:Overwrite: Overwrite=false").Lacks("ssm:Policies", notJudged).OnFound(one, a.named).
			Takes("Name Description Value Type KeyId Overwrite AllowedPattern Tags{*} Tier Policies DataType").Checks(a.putFaults).Asks(a.tagsAsked),
		wire.Op("RemoveTagsFromResource", a.RemoveTagsFromResource).OnFound(tagged, a.named).Takes("ResourceType ResourceId TagKeys"),
		wire.Op("UnlabelParameterVersion", a.UnlabelParameterVersion).OnFound(one, a.named).Takes("Name ParameterVersion Labels"),
	}
}

// notJudged is why condition keys are never there.
const notJudged = "Skylift doesn't tell it to policies: a statement with such a condition doesn't apply, unless the condition is negated"

// tagsAsked is whether the caller may tag the parameter that it makes with tags.
func (a *API) tagsAsked(_ context.Context, in *ssm.PutParameterInput) []authz.Question {
	if len(in.Tags) == 0 {
		return nil
	}
	keys := map[string][]string{}
	for _, t := range tagType.From(in.Tags) {
		keys["aws:requesttag/"+strings.ToLower(t.Key)] = []string{t.Value}
		keys["aws:tagkeys"] = append(keys["aws:tagkeys"], t.Key)
	}
	return []authz.Question{{Action: "ssm:AddTagsToResource", Resource: a.arn(deref(in.Name)), Keys: keys}}
}

func invalid(format string, args ...any) error {
	return awserr.New("ValidationException", format, args...)
}

func noParameter(name string) error {
	return &types.ParameterNotFound{Message: new(fmt.Sprintf("Parameter %s not found.", name))}
}

// pages is how lists are cut.
func pages(usual, most int) handler.Pages {
	return handler.Pages{
		Default: usual, Most: most,
		BadSize:  func(n int) error { return invalid("MaxResults is %d: it must be between 1 and %d.", n, most) },
		BadToken: func(string) error { return &types.InvalidNextToken{Message: new("The specified token is not valid.")} },
	}
}

// get returns a parameter; one that has expired isn't there any more.
func get(tx store.Tx, name string, now time.Time) (Parameter, error) {
	p, err := handler.Get(tx, Parameters, name, noParameter)
	if err == nil && p.expired(now) {
		err = noParameter(name)
	}
	return p, err
}

// Due deletes a parameter that has expired. It returns how long it is until it must
// be called again; 0 is never.
func (a *API) Due(ctx context.Context, name string) (again time.Duration, err error) {
	now := time.Now()
	return handler.Update(store.Freeing(ctx), a.db, func(tx store.Tx) (time.Duration, error) {
		p, there, err := handler.Find(tx, Parameters, name)
		switch {
		case err != nil || !there || p.ExpiresAt.IsZero():
			return 0, err
		case p.expired(now):
			return 0, remove(tx, p)
		}
		return p.ExpiresAt.Sub(now), nil
	})
}

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
