package ssm

import (
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// Parameter is a parameter's record, keyed by its name. Its values are in its versions.
type Parameter struct {
	Name   string
	ID     string // a later parameter of the same name has another
	Type   types.ParameterType
	Tier   types.ParameterTier
	Latest int64 // the number of its latest version
	// ExpiresAt is when it is deleted; zero when it stays.
	ExpiresAt time.Time `json:",omitzero"`
	Tags      handler.Tags
}

// Version is a version of a parameter, keyed by the parameter's id and its number.
type Version struct {
	ParameterID string
	Number      int64
	KeyID       string `json:",omitempty"` // as it was given, of a SecureString
	Sealed      []byte
	Description string `json:",omitempty"`
	Pattern     string `json:",omitempty"` // of values that are allowed
	ModifiedAt  time.Time
	ModifiedBy  string // an ARN
	Tier        types.ParameterTier
	Policies    []Policy `json:",omitempty"`
	DataType    string
	Labels      []string `json:",omitempty"`
}

// Policy is a parameter policy.
type Policy struct{ Type, Text string }

func (v Version) key() string { return versionKey(v.ParameterID, v.Number) }

// versionKey has numbers of one length, so that versions are in their order.
func versionKey(parameter string, n int64) string { return fmt.Sprintf("%s/%012d", parameter, n) }

// Parameters has the parameters.
var Parameters = store.NewTable("ssm-parameter",
	store.Index[Parameter]{Name: "tier", Values: func(p Parameter) []string { return []string{string(p.Tier)} }},
)

var versions = store.NewTable[Version]("ssm-parameter-version")

// Tables are all that the service keeps records in.
func Tables() []store.Schema { return []store.Schema{Parameters, versions} }

func (p Parameter) expired(now time.Time) bool {
	return !p.ExpiresAt.IsZero() && !now.Before(p.ExpiresAt)
}

// remove deletes a parameter with all its versions.
func remove(tx store.Tx, p Parameter) error {
	all, err := versions.List(tx, p.ID+"/")
	if err != nil {
		return err
	}
	for _, v := range all {
		if err := versions.Delete(tx, v.key()); err != nil {
			return err
		}
	}
	return Parameters.Delete(tx, p.Name)
}
