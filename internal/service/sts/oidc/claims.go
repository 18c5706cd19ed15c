package oidc

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/skylift/skylift/internal/policy"
)

// Claims are what a token says that was verified.
type Claims struct {
	Provider       Provider
	Subject        string
	Audience       string            // the client that it is for
	SourceIdentity string            // "" when it names none
	Tags           map[string]string // of the session
	Transitive     []string          // keys of tags that stay

	claimed raw
}

// readTags reads the session's tags, which come nested or, from issuers that can't nest claims, flat.
func (c *Claims) readTags() error {
	var nested struct {
		Principal  map[string]json.RawMessage `json:"principal_tags"`
		Transitive []string                   `json:"transitive_tag_keys"`
	}
	if text := c.claimed[tagsClaim]; text != nil {
		if err := json.Unmarshal(text, &nested); err != nil {
			return fault("The claim %s is not as it must be", tagsClaim)
		}
	}
	c.Transitive = append(nested.Transitive, c.claimed.texts(transitiveClaim)...)
	if nested.Principal == nil {
		nested.Principal = map[string]json.RawMessage{}
	}
	for name, value := range c.claimed {
		if key, ok := strings.CutPrefix(name, principalClaim+"/"); ok {
			nested.Principal[key] = value
		}
	}
	for key := range nested.Principal {
		values := raw(nested.Principal).texts(key)
		if len(values) != 1 {
			return fault("The tag %s must have one value", key)
		}
		if c.Tags == nil {
			c.Tags = map[string]string{}
		}
		c.Tags[key] = values[0]
	}
	return nil
}

// The claims of some issuers that are condition keys beside those which all have
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif).
var (
	github = []string{
		"actor", "actor_id", "enterprise_id", "environment", "job_workflow_ref", "ref", "repository", "repository_id", "repository_owner_id", "workflow",
	}
	gitlab = []string{
		"namespace_id", "pipeline_source", "project_id", "ref_protected", "runner_environment", "user_access_level", "user_email", "user_id", "user_login",
	}
)

func known(issuer string) []string {
	host, _, _ := strings.Cut(issuer, "/")
	switch {
	case host == "token.actions.githubusercontent.com", strings.HasPrefix(host, "token.actions.") && strings.HasSuffix(host, ".ghe.com"):
		return github
	case host == "gitlab.com":
		return gitlab
	}
	return nil
}

// Keys returns the condition keys that the token has, which begin with the issuer: host/path:sub.
func (c Claims) Keys() policy.Keys {
	var k policy.Keys
	at := c.Provider.Issuer + ":"
	k.Set(at+"sub", c.Subject)
	k.Set(at+"aud", c.Audience)
	if methods := c.claimed.texts("amr"); len(methods) > 0 {
		k.SetMany(at+"amr", methods...)
	}
	for _, name := range known(c.Provider.Issuer) {
		if s := c.claimed.text(name); s != "" {
			k.Set(at+name, s)
			continue
		}
		var b bool
		if c.claimed[name] != nil && json.Unmarshal(c.claimed[name], &b) == nil {
			k.Set(at+name, strconv.FormatBool(b))
		}
	}
	return k
}
