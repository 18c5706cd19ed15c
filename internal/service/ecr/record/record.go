// Package record keeps what Amazon ECR has: repositories, the images in them, and their tags.
//
// The records decide what the registry serves: an image that is not recorded
// cannot be pulled, one that is deleted cannot be pulled any more, and a tag
// means the same to the API, to docker and to ECS at any moment.
package record

import (
	"encoding/json"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecr/lifecycle"
	"github.com/skylift/skylift/internal/service/ecr/login"
	"github.com/skylift/skylift/internal/store"
)

// Repository is a repository's record, keyed by its name.
type Repository struct {
	ID         string // the keys of its images begin with it, so that a later repository of the same name has none of them
	Name       string
	CreatedAt  time.Time
	Mutability types.ImageTagMutability
	ScanOnPush bool              `json:",omitempty"`
	Exclusions []string          `json:",omitempty"` // patterns of tags for which the opposite of Mutability holds
	Tags       handler.Tags      // empty, not nil, when it had some
	Lifecycle  lifecycle.Setting `json:",omitzero"`
	Preview    lifecycle.Setting `json:",omitzero"` // of a lifecycle policy
	Policy     Policy            `json:",omitzero"`
}

// Policy is what a repository says of who may do what with it.
type Policy struct {
	Text string            // "": there is none
	IDs  map[string]string // unique ids of the users and roles that it names, by ARN
}

// Image is the record of a pushed manifest, keyed by its repository's ID and
// its digest. It has the fields of registry.Manifest.
type Image struct {
	RepoID       string
	Repo         string
	Digest       string
	MediaType    string
	ArtifactType string   `json:",omitempty"`
	Subject      string   `json:",omitempty"`
	Children     []string `json:",omitempty"`
	Size         int64
	ManifestSize int64
	PushedAt     time.Time
}

// Key is the record's key.
func (i Image) Key() string { return ImageKey(i.RepoID, i.Digest) }

// ImageKey is the key of an image of a repository, which is named by its ID. With no digest, it is what the keys of all begin with.
func ImageKey(repoID, digest string) string { return repoID + "/" + digest }

// Tag says which image a tag of a repository stands for. Its key is the repository's
// ID and the tag. The image exists for as long as the tag does.
type Tag struct {
	RepoID string
	Name   string
	Digest string
	// Checked is when an upstream registry said so; zero for a tag that was pushed.
	Checked time.Time `json:",omitzero"`
}

// Key is the record's key.
func (t Tag) Key() string { return TagKey(t.RepoID, t.Name) }

// TagKey is the key of a tag of a repository, which is named by its ID. With no name, it is what the keys of all begin with.
func TagKey(repoID, name string) string { return repoID + "/" + name }

// Registry is what is set for the whole registry.
type Registry struct {
	Policy Policy `json:",omitzero"`
	Scope  string `json:",omitempty"` // of the policy: V1, or "" for V2
	// ScanRules say by the filters of each in which repositories images are scanned when they are pushed, beside those that want it
	// themselves.
	ScanRules [][]string `json:",omitempty"`
}

// RegistryKey is that of the only record of RegistryRows.
const RegistryKey = "registry"

// Template is what repositories get that are made by themselves, keyed by its prefix.
type Template struct {
	Prefix      string // without a slash at its end; RootPrefix is for those that no other prefix fits
	Description string `json:",omitempty"`
	AppliedFor  []types.RCTAppliedFor
	Mutability  types.ImageTagMutability `json:",omitempty"`
	Exclusions  []string                 `json:",omitempty"`
	Tags        handler.Tags             `json:",omitempty"`
	Policy      string                   `json:",omitempty"`
	Lifecycle   string                   `json:",omitempty"`
	Role        string                   `json:",omitempty"` // ARN
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// Rule says which other registry the repositories with a prefix stand for, keyed by it.
type Rule struct {
	Prefix         string // without a slash at its end; RootPrefix is for all that no other prefix fits
	Registry       types.UpstreamRegistry
	Host           string // of the registry
	UpstreamPrefix string // of its repositories' names; "" and RootPrefix for none
	Credential     string `json:",omitempty"` // ARN of the secret that has the login
	CreatedAt      time.Time
	UpdatedAt      time.Time
}

// RootPrefix is the prefix of the template, or the rule, for what no other one is for.
const RootPrefix = "ROOT"

var (
	// RepositoryRows are the repositories, by name.
	RepositoryRows = store.NewTable[Repository]("ecr-repository")
	// RegistryRows has what is set for the registry, at RegistryKey.
	RegistryRows = store.NewTable[Registry]("ecr-registry")
	// TemplateRows are the templates of repositories, by prefix.
	TemplateRows = store.NewTable[Template]("ecr-template")
	// RuleRows are the rules of the pull through cache, by prefix.
	RuleRows = store.NewTable[Rule]("ecr-cache-rule")
	// ImageRows are the images, by ImageKey.
	ImageRows = store.NewTable("ecr-image",
		store.Index[Image]{Name: "child", Values: func(i Image) []string { return prefixed(i.RepoID+"@", i.Children) }},
	).Version(2, tagsApart)
	// TagRows are the tags, by TagKey.
	TagRows = store.NewTable("ecr-tag",
		store.Index[Tag]{Name: "image", Values: func(t Tag) []string { return []string{ImageKey(t.RepoID, t.Digest)} }},
	)
)

// Tables are all that the service keeps records in.
func Tables() []store.Schema {
	return append(login.Tables(), RepositoryRows, RegistryRows, TemplateRows, RuleRows, ImageRows, TagRows, ScanRows, PackageRows)
}

// tagsApart is the step to version 2. Before, an image had its tags in its own record,
// which grew with them.
func tagsApart(_ string, old []byte) (next store.Next, err error) {
	var was struct {
		Image
		Tags []string
	}
	if err := json.Unmarshal(old, &was); err != nil {
		return next, err
	}
	for _, name := range was.Tags {
		t := Tag{RepoID: was.RepoID, Name: name, Digest: was.Digest}
		next.Others = append(next.Others, TagRows.Record(t.Key(), t))
	}
	next.Record, err = json.Marshal(was.Image)
	return next, err
}

func prefixed(prefix string, list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = prefix + s
	}
	return out
}
