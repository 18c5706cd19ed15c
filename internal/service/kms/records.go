package kms

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// Key is the record of a KMS key, keyed by its id. Its material has records of its own.
type Key struct {
	ID          string // a UUID
	CreatedAt   time.Time
	Description string `json:",omitempty"`
	Usage       types.KeyUsageType
	Spec        types.KeySpec
	Disabled    bool              `json:",omitempty"`
	Service     string            `json:",omitempty"` // "secretsmanager", of an AWS managed key
	Policy      string            // as it was sent
	PolicyIDs   map[string]string `json:",omitempty"` // unique ids of whom it names, by ARN, as they were when it was set
	Material    string            // the id of the material that encrypts now
	// DeletedAt is when the key goes; zero when it stays.
	DeletedAt time.Time `json:",omitzero"`
	Rotation  Rotation  `json:",omitzero"`
	Tags      handler.Tags
}

// Rotation is when a key gets new material.
type Rotation struct {
	Days     int32     `json:",omitempty"` // the period; 0 when it has no automatic rotation
	Next     time.Time `json:",omitzero"`
	OnDemand int       `json:",omitempty"` // how often it was asked for
}

// Material is what a key encrypts or signs with. All that a key ever had can
// decrypt. It is keyed by its key's id and its own.
type Material struct {
	KeyID     string
	ID        string // 64 hex digits
	CreatedAt time.Time
	Rotated   types.RotationType `json:",omitempty"` // "" of a key's first
	Sealed    []byte
}

func (m Material) key() string { return materialKey(m.KeyID, m.ID) }

func materialKey(keyID, id string) string { return keyID + "/" + id }

// Alias is another name of a key, keyed by its own, which begins with "alias/".
type Alias struct {
	Name                 string
	KeyID                string
	CreatedAt, UpdatedAt time.Time
}

// Grant lets somebody use a key. It is keyed by its key's id and its own.
type Grant struct {
	KeyID       string
	ID          string // 64 hex digits
	Name        string `json:",omitempty"`
	CreatedAt   time.Time
	Issuer      string // the ARN of who made it
	Grantee     string
	GranteeID   string `json:",omitempty"` // its unique id, of a user or role
	Retiring    string `json:",omitempty"`
	RetiringID  string `json:",omitempty"`
	Operations  []types.GrantOperation
	Constraints *types.GrantConstraints `json:",omitempty"`
}

func (g Grant) key() string { return g.KeyID + "/" + g.ID }

// Keys has the keys.
var Keys = store.NewTable("kms-key",
	store.Index[Key]{Name: "service", Values: func(k Key) []string { return some(k.Service) }},
)

var (
	materials = store.NewTable[Material]("kms-material")
	aliases   = store.NewTable("kms-alias",
		store.Index[Alias]{Name: "key", Values: func(a Alias) []string { return []string{a.KeyID} }},
	)
	grants = store.NewTable("kms-grant",
		store.Index[Grant]{Name: "id", Values: func(g Grant) []string { return []string{g.ID} }},
		store.Index[Grant]{Name: "retiring", Values: func(g Grant) []string { return some(g.Retiring) }},
	)
)

func some(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// Tables are all that the service keeps records in.
func Tables() []store.Schema { return []store.Schema{Keys, materials, aliases, grants} }

func (k *Key) pending() bool { return !k.DeletedAt.IsZero() }

// symmetric says whether the key encrypts with one secret, which can be rotated.
func (k *Key) symmetric() bool { return k.Spec == types.KeySpecSymmetricDefault }

func (k *Key) state() types.KeyState {
	switch {
	case k.pending():
		return types.KeyStatePendingDeletion
	case k.Disabled:
		return types.KeyStateDisabled
	}
	return types.KeyStateEnabled
}
