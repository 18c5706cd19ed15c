package sts

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/skylift/skylift/internal/service/sts/oidc"
)

func TestLimitsOfTokens(t *testing.T) {
	t.Parallel()
	many := map[string]string{}
	for i := range mostTags + 1 {
		many[fmt.Sprint(i)] = ""
	}
	tag := func(key, value string) oidc.Claims { return oidc.Claims{Tags: map[string]string{key: value}} }
	for name, c := range map[string]struct {
		claims oidc.Claims
		good   bool
	}{
		"nothing":                   {oidc.Claims{}, true},
		"a source identity":         {oidc.Claims{SourceIdentity: "ada@example.com"}, true},
		"a short source identity":   {oidc.Claims{SourceIdentity: "a"}, false},
		"a long source identity":    {oidc.Claims{SourceIdentity: strings.Repeat("a", 65)}, false},
		"a strange source identity": {oidc.Claims{SourceIdentity: "a b"}, false},
		"two lines":                 {oidc.Claims{SourceIdentity: "ada\n"}, false},
		"a tag":                     {tag(strings.Repeat("ä", 128), strings.Repeat("ö", 256)), true},
		"a tag without value":       {tag("a", ""), true},
		"a tag without key":         {tag("", "a"), false},
		"a long key":                {tag(strings.Repeat("a", 129), ""), false},
		"a long value":              {tag("a", strings.Repeat("a", 257)), false},
		"a strange value":           {tag("a", "*"), false},
		"many tags":                 {oidc.Claims{Tags: many}, false},
		"many keys":                 {oidc.Claims{Transitive: make([]string, mostTags+1)}, false},
	} {
		err := limits(c.claims)
		if _, refused := errors.AsType[*types.InvalidIdentityTokenException](err); refused == c.good || c.good != (err == nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
