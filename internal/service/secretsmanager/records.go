package secretsmanager

import (
	"strings"
	"time"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// Secret is a secret's record, keyed by its name. Its values are in its versions.
type Secret struct {
	Name        string
	Suffix      string // six letters and digits, the end of its ARN: another secret of the name has others
	Description string `json:",omitempty"`
	KeyID       string `json:",omitempty"` // as it was given; "" is the service's own key
	CreatedAt   time.Time
	ChangedAt   time.Time
	AccessedAt  time.Time `json:",omitzero"` // the day
	// DeletedAt is when it goes for good; zero when it stays.
	DeletedAt time.Time `json:",omitzero"`
	Policy    string    `json:",omitempty"` // as it was sent
	// PolicyIDs are the unique ids of whom it names, by ARN, as they were when it was set.
	PolicyIDs map[string]string `json:",omitempty"`
	Tags      handler.Tags
	Stages    map[string]string // the version that each staging label is attached to
}

// id tells a secret from a later one of the same name.
func (s Secret) id() string { return s.Name + "-" + s.Suffix }

func (s Secret) marked() bool { return !s.DeletedAt.IsZero() }

// stagesOf returns the labels of a version.
func (s Secret) stagesOf(version string) (stages []string) {
	for _, stage := range sortedKeys(s.Stages) {
		if s.Stages[stage] == version {
			stages = append(stages, stage)
		}
	}
	return stages
}

// Version is a version of a secret, keyed by the secret's id and its own.
type Version struct {
	SecretID   string
	ID         string
	CreatedAt  time.Time
	AccessedAt time.Time `json:",omitzero"` // the day
	Binary     bool      `json:",omitempty"`
	KeyARN     string    // that it is sealed under
	OwnKey     bool      `json:",omitempty"` // that is the service's own
	Sealed     []byte
}

func (v Version) key() string { return versionKey(v.SecretID, v.ID) }

// versionKey has a bar between the ids, which no name has.
func versionKey(secret, version string) string { return secret + "|" + version }

// Secrets has the secrets.
var Secrets = store.NewTable[Secret]("secretsmanager-secret")

var versions = store.NewTable[Version]("secretsmanager-version")

// Tables are all that the service keeps records in.
func Tables() []store.Schema { return []store.Schema{Secrets, versions} }

// remove deletes a secret with all its versions.
func remove(tx store.Tx, s Secret) error {
	all, err := versions.List(tx, versionKey(s.id(), ""))
	if err != nil {
		return err
	}
	for _, v := range all {
		if err := versions.Delete(tx, v.key()); err != nil {
			return err
		}
	}
	return Secrets.Delete(tx, s.Name)
}

func day(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

func lower(s string) string { return strings.ToLower(s) }
