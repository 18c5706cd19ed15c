package ssm

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/seal"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
	"github.com/skylift/skylift/internal/wire/wiretest"
)

// sealing is KMS as far as a parameter needs it: a context that differs doesn't open.
type sealing struct{ *seal.Sealer }

func (s sealing) Seal(_ context.Context, key string, context map[string]string, plain []byte) ([]byte, string, error) {
	if key == "gone" {
		return nil, "", awserr.New("NotFoundException", "Key 'gone' does not exist")
	}
	return s.Sealer.Seal(fmt.Sprint(context), plain), "arn:key/" + key, nil
}

func (s sealing) Encrypt(ctx context.Context, key string, context map[string]string, plain []byte) ([]byte, string, error) {
	if key == "noencrypt" {
		return nil, "", awserr.New("AccessDeniedException", "no kms:Encrypt")
	}
	return s.Seal(ctx, key, context, plain)
}

func (s sealing) Open(_ context.Context, context map[string]string, sealed []byte) ([]byte, error) {
	return s.Sealer.Open(fmt.Sprint(context), sealed)
}

func newAPI(t *testing.T) *API {
	t.Helper()
	db := memstore.New()
	t.Cleanup(func() { db.Close() })
	k := seal.NewKey()
	return New(db, arn.Namespace{Region: "us-west-2", Account: "123456789012"}, sealing{k.For("kms")}, k.For("ssm"))
}

// ok returns v, and ends the test when there is an error.
func ok[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// fails says whether err has the code, and words in its message.
func fails(t *testing.T, err error, code, words string) {
	t.Helper()
	e, is := errors.AsType[smithy.APIError](err)
	if !is || e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), words) {
		t.Errorf("got %v, want %s: %s", err, code, words)
	}
}

func put(t *testing.T, a *API, name, value string, change ...func(*ssm.PutParameterInput)) int64 {
	t.Helper()
	in := &ssm.PutParameterInput{Name: &name, Value: &value, Type: types.ParameterTypeString, Overwrite: new(true)}
	for _, c := range change {
		c(in)
	}
	return ok(a.PutParameter(t.Context(), in))(t).Version
}

func secure(in *ssm.PutParameterInput) { in.Type = types.ParameterTypeSecureString }

func value(t *testing.T, a *API, ref string) string {
	t.Helper()
	out, err := a.GetParameter(t.Context(), &ssm.GetParameterInput{Name: &ref, WithDecryption: new(true)})
	if e, is := errors.AsType[smithy.APIError](err); is {
		return e.ErrorCode()
	}
	return *ok(out, err)(t).Parameter.Value
}

func TestGet(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	put(t, a, "/app/db/password", "one", secure)
	put(t, a, "/app/db/password", "two", secure)
	put(t, a, "plain", "three")
	ok(a.LabelParameterVersion(t.Context(), &ssm.LabelParameterVersionInput{Name: new("/app/db/password"), ParameterVersion: new(int64(1)), Labels: []string{"old"}}))(t)
	for ref, want := range map[string]string{
		"/app/db/password": "two", "/app/db/password:1": "one", "/app/db/password:old": "one", "/app/db/password:2": "two",
		a.arn("/app/db/password"): "two", a.arn("/app/db/password") + ":1": "one", a.arn("plain"): "three", "plain:1": "three",
		"/app/db/password:3": "ParameterVersionNotFound", "/app/db/password:new": "ParameterVersionNotFound", "none": "ParameterNotFound", "/app/db": "ParameterNotFound",
		"/aws/service/ecs/optimized-ami": "ValidationException", "/aws/reference/secretsmanager/x": "ValidationException",
	} {
		if got := value(t, a, ref); got != want {
			t.Errorf("%s: got %q, want %q", ref, got, want)
		}
	}
	p := ok(a.GetParameter(t.Context(), &ssm.GetParameterInput{Name: new("/app/db/password:1")}))(t).Parameter
	blob, err := base64.StdEncoding.DecodeString(*p.Value)
	if err != nil || strings.Contains(string(blob), "one") || *p.Selector != ":1" || *p.ARN != "arn:aws:ssm:us-west-2:123456789012:parameter/app/db/password" {
		t.Errorf("got %+v, %v, want a ciphertext", p, err)
	}
	out := ok(a.GetParameters(t.Context(), &ssm.GetParametersInput{Names: []string{"plain", "none", "/app/db/password:9"}}))(t)
	if len(out.Parameters) != 1 || !slices.Equal(out.InvalidParameters, []string{"none", "/app/db/password:9"}) {
		t.Errorf("got %d and %q", len(out.Parameters), out.InvalidParameters)
	}
	h := ok(a.GetParameterHistory(t.Context(), &ssm.GetParameterHistoryInput{Name: new("/app/db/password"), WithDecryption: new(true)}))(t).Parameters
	if len(h) != 2 || *h[0].Value != "one" || !slices.Equal(h[0].Labels, []string{"old"}) || *h[1].KeyId != "alias/aws/ssm" {
		t.Errorf("got %+v", h)
	}
	got, err := a.ValuesFrom(t.Context(), []string{"plain", a.arn("/app/db/password")})
	if err != nil || got["plain"].Text != "three" || got[a.arn("/app/db/password")] != (Value{"two", "2"}) {
		t.Errorf("got %q, %v for a task", got, err)
	}
	_, err = a.ValuesFrom(t.Context(), []string{"none", "plain", "/no"})
	if want := "api error ResourceInitializationError: service call has been retried 1 time(s): invalid parameters: none,/no"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestPutFaults(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	put(t, a, "there", "v")
	put(t, a, "big", strings.Repeat("x", 5000), func(in *ssm.PutParameterInput) { in.Tier = types.ParameterTierIntelligentTiering })
	for _, tt := range []struct {
		in          *ssm.PutParameterInput
		code, words string
	}{
		{&ssm.PutParameterInput{Name: new("new")}, "ValidationException", "type is required"},
		{&ssm.PutParameterInput{Name: new("there"), Type: types.ParameterTypeString}, "ParameterAlreadyExists", "overwrite option"},
		{&ssm.PutParameterInput{Name: new("there"), Type: types.ParameterTypeSecureString, Overwrite: new(true)}, "HierarchyTypeMismatchException", ""},
		{&ssm.PutParameterInput{Name: new("big"), Tier: types.ParameterTierStandard, Overwrite: new(true)}, "ValidationException", "can't downgrade"},
		{&ssm.PutParameterInput{Name: new("x"), Type: types.ParameterTypeString, Value: new(strings.Repeat("x", 4097))}, "ValidationException", "4096"},
		{&ssm.PutParameterInput{Name: new("x"), Type: types.ParameterTypeSecureString, KeyId: new("gone")}, "InvalidKeyId", "does not exist"},
		{&ssm.PutParameterInput{Name: new("/aws/x"), Type: types.ParameterTypeString}, "AccessDeniedException", "No access to reserved parameter name: /aws/x."},
		{&ssm.PutParameterInput{Name: new("awsx"), Type: types.ParameterTypeString}, "ValidationException", `prefixed with "aws" or "ssm"`},
		{&ssm.PutParameterInput{Name: new("SSMx"), Type: types.ParameterTypeString}, "ValidationException", `prefixed with "ssm"`},
		{&ssm.PutParameterInput{Name: new("a/b"), Type: types.ParameterTypeString}, "ValidationException", "fully qualified"},
		{&ssm.PutParameterInput{Name: new("a b"), Type: types.ParameterTypeString}, "ValidationException", "only a mix of letters"},
		{&ssm.PutParameterInput{Name: new(strings.Repeat("/a", 16)), Type: types.ParameterTypeString}, "HierarchyLevelLimitExceededException", "15"},
		{&ssm.PutParameterInput{Name: new("x"), Type: types.ParameterTypeString, AllowedPattern: new(`^\d+$`)}, "ParameterPatternMismatchException", `^\d+$`},
		{&ssm.PutParameterInput{Name: new("x"), Type: types.ParameterTypeString, AllowedPattern: new(`(`)}, "InvalidAllowedPatternException", ""},
		{&ssm.PutParameterInput{Name: new("x"), Type: types.ParameterTypeString, Policies: new(`[{"Type":"NoChangeNotification","Version":"1.0"}]`)}, "InvalidPolicyTypeException", "NoChangeNotification is not supported by Skylift"},
		{&ssm.PutParameterInput{Name: new("x"), Type: types.ParameterTypeString, DataType: new("aws:ec2:image")}, "ValidationException", "aws:ec2:image is not supported by Skylift"},
	} {
		if tt.in.Value == nil {
			tt.in.Value = new("canary")
		}
		_, err := a.PutParameter(t.Context(), tt.in)
		fails(t, err, tt.code, tt.words)
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("the error has the value in it: %v", err)
		}
	}
	wiretest.Told(t, "ssm", a.Operations(), &ssm.PutParameterInput{
		Name: new("ssm x"), Value: new("v"), Type: types.ParameterTypeString, Overwrite: new(true), Tags: []types.Tag{{Key: new("k"), Value: new("v")}}, DataType: new("aws:ssm:integration"),
	}, "ValidationException", `prefixed with "ssm"`, "tags and overwrite", "aws:ssm:integration")
}

func TestVersionLimit(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for range maxVersions + 1 {
		put(t, a, "x", "v")
	}
	if got := value(t, a, "x:1"); got != "ParameterVersionNotFound" {
		t.Errorf("got %q of the oldest version", got)
	}
	out := ok(a.LabelParameterVersion(t.Context(), &ssm.LabelParameterVersionInput{Name: new("x"), ParameterVersion: new(int64(2)), Labels: []string{"keep", "1x", "awsy"}}))(t)
	if !slices.Equal(out.InvalidLabels, []string{"1x", "awsy"}) {
		t.Errorf("got %q as invalid labels", out.InvalidLabels)
	}
	_, err := a.PutParameter(t.Context(), &ssm.PutParameterInput{Name: new("x"), Value: new("v"), Overwrite: new(true)})
	fails(t, err, "ParameterMaxVersionLimitExceeded", "Version 2")
	u := ok(a.UnlabelParameterVersion(t.Context(), &ssm.UnlabelParameterVersionInput{Name: new("x"), ParameterVersion: new(int64(2)), Labels: []string{"keep", "none"}}))(t)
	if !slices.Equal(u.RemovedLabels, []string{"keep"}) || !slices.Equal(u.InvalidLabels, []string{"none"}) {
		t.Errorf("got %+v", u)
	}
	put(t, a, "x", "v")
}

func TestByPath(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for _, name := range []string{"/a/b", "/a/c", "/a/b/d", "/ab/x", "top"} {
		put(t, a, name, name)
	}
	put(t, a, "/a/s", "s", secure)
	list := func(path string, deep bool, filters ...types.ParameterStringFilter) (names []string) {
		in := &ssm.GetParametersByPathInput{Path: &path, Recursive: &deep, ParameterFilters: filters, MaxResults: new(int32(2))}
		for {
			out := ok(a.GetParametersByPath(t.Context(), in))(t)
			for _, p := range out.Parameters {
				names = append(names, *p.Name)
			}
			if in.NextToken = out.NextToken; in.NextToken == nil {
				return names
			}
		}
	}
	filter := func(key, option string, values ...string) types.ParameterStringFilter {
		f := types.ParameterStringFilter{Key: &key, Values: values}
		if option != "" {
			f.Option = &option
		}
		return f
	}
	for _, tt := range []struct {
		got, want []string
	}{
		{list("/a", false), []string{"/a/b", "/a/c", "/a/s"}},
		{list("/a/", true), []string{"/a/b", "/a/b/d", "/a/c", "/a/s"}},
		{list("/", false), nil},
		{list("/", true), []string{"/a/b", "/a/b/d", "/a/c", "/a/s", "/ab/x"}},
		{list("/a", true, filter("Type", "Equals", "SecureString")), []string{"/a/s"}},
	} {
		if !slices.Equal(tt.got, tt.want) {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
	for _, tt := range []struct {
		filter types.ParameterStringFilter
		want   int
	}{
		{filter("Name", "", "/a/b"), 1},
		{filter("Name", "BeginsWith", "/a"), 5},
		{filter("Name", "Contains", "b"), 3},
		{filter("Path", "", "/a"), 3},
		{filter("Path", "Recursive", "/a"), 4},
		{filter("Tier", "", "Standard"), 6},
		{filter("tag:team", "", "red"), 0},
	} {
		if n := len(ok(a.DescribeParameters(t.Context(), &ssm.DescribeParametersInput{ParameterFilters: []types.ParameterStringFilter{tt.filter}}))(t).Parameters); n != tt.want {
			t.Errorf("%s %v: got %d, want %d", *tt.filter.Key, tt.filter.Values, n, tt.want)
		}
	}
	_, err := a.GetParametersByPath(t.Context(), &ssm.GetParametersByPathInput{Path: new("/a"), ParameterFilters: []types.ParameterStringFilter{filter("Name", "", "x")}})
	fails(t, err, "InvalidFilterKey", "Name")
}

func TestExpiration(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t)
		at := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
		put(t, a, "x", "v", func(in *ssm.PutParameterInput) {
			in.Tier, in.Policies = types.ParameterTierAdvanced, new(`[{"Type":"Expiration","Version":"1.0","Attributes":{"Timestamp":"`+at+`"}}]`)
		})
		again := ok(a.Due(t.Context(), "x"))(t)
		if again <= 59*time.Minute || again > time.Hour {
			t.Errorf("it goes in %s, want an hour", again)
		}
		time.Sleep(again)
		if got := value(t, a, "x"); got != "ParameterNotFound" {
			t.Errorf("got %q when it has expired", got)
		}
		ok(a.Due(t.Context(), "x"))(t)
		_ = a.db.View(t.Context(), func(tx store.Tx) error {
			for key := range tx.Scan("", "") {
				t.Errorf("%s is left", key)
			}
			return nil
		})
	})
}

func TestTags(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	put(t, a, "/a/x", "v")
	const typ = types.ResourceTypeForTaggingParameter
	ok(a.AddTagsToResource(t.Context(), &ssm.AddTagsToResourceInput{ResourceType: typ, ResourceId: new("/a/x"), Tags: []types.Tag{{Key: new("k"), Value: new("v")}}}))(t)
	if got := ok(a.ListTagsForResource(t.Context(), &ssm.ListTagsForResourceInput{ResourceType: typ, ResourceId: new("/a/x")}))(t).TagList; len(got) != 1 || *got[0].Value != "v" {
		t.Errorf("got %+v", got)
	}
	if err := a.Untag(t.Context(), a.arn("/a/x"), []string{"k"}); err != nil {
		t.Error(err)
	}
	_, err := a.ListTagsForResource(t.Context(), &ssm.ListTagsForResourceInput{ResourceType: typ, ResourceId: new("none")})
	fails(t, err, "InvalidResourceId", "")
	_, err = a.ListTagsForResource(t.Context(), &ssm.ListTagsForResourceInput{ResourceType: types.ResourceTypeForTaggingDocument, ResourceId: new("x")})
	fails(t, err, "InvalidResourceType", "Document")
}

const expiration = `[{"Type":"Expiration","Version":"1.0","Attributes":{"Timestamp":"2999-12-02T21:34:33.000Z"}}]`

// A parameter keeps its policies until others, or none, are sent.
func TestPoliciesStay(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	policies := func() int {
		h := ok(a.GetParameterHistory(t.Context(), &ssm.GetParameterHistoryInput{Name: new("p")}))(t).Parameters
		return len(h[len(h)-1].Policies)
	}
	put(t, a, "p", "1", func(in *ssm.PutParameterInput) { in.Tier, in.Policies = types.ParameterTierAdvanced, new(expiration) })
	put(t, a, "p", "2")
	if policies() != 1 {
		t.Error("a version without policies of its own has none")
	}
	put(t, a, "p", "3", func(in *ssm.PutParameterInput) { in.Policies = new("[{}]") })
	if policies() != 0 {
		t.Error("the policies stay after they were taken off")
	}
}

// retried is a store before whose changes another call is faster.
type retried struct {
	store.DB
	faster func()
}

func (db retried) Update(ctx context.Context, do func(store.Tx) error) error {
	db.faster()
	return db.DB.Update(ctx, do)
}

// A value that was sealed as a String isn't one of a SecureString that another call made meanwhile.
func TestTypeOfMeanwhile(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	put(t, a, "p", "old")
	slow := New(retried{a.db, func() {
		ok(a.DeleteParameter(t.Context(), &ssm.DeleteParameterInput{Name: new("p")}))(t)
		put(t, a, "p", "secret", func(in *ssm.PutParameterInput) { in.Type = types.ParameterTypeSecureString })
	}}, a.ns, a.keys, a.seal)
	_, err := slow.PutParameter(t.Context(), &ssm.PutParameterInput{Name: new("p"), Value: new("new"), Overwrite: new(true)})
	fails(t, err, "TooManyUpdates", "being changed by another call")
}

// A standard SecureString is encrypted by KMS itself, an advanced one under a data key.
func TestKeyActions(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	in := &ssm.PutParameterInput{Name: new("p"), Value: new("v"), Type: types.ParameterTypeSecureString, KeyId: new("noencrypt")}
	_, err := a.PutParameter(t.Context(), in)
	fails(t, err, "AccessDeniedException", "no kms:Encrypt")
	in.Tier = types.ParameterTierAdvanced
	ok(a.PutParameter(t.Context(), in))(t)
}

// TestWhatStays: a new version has the description and the key of the one before it, unless the call brings others.
func TestWhatStays(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	secure := func(in *ssm.PutParameterInput) { in.Type = types.ParameterTypeSecureString }
	put(t, a, "p", "1", secure, func(in *ssm.PutParameterInput) {
		in.KeyId, in.Description = new("alias/app"), new("the app's")
	})
	put(t, a, "p", "2", secure)
	put(t, a, "p", "3", secure, func(in *ssm.PutParameterInput) { in.KeyId, in.Description = new("alias/other"), new("") })
	h := ok(a.GetParameterHistory(t.Context(), &ssm.GetParameterHistoryInput{Name: new("p")}))(t).Parameters
	for i, want := range []string{"alias/app", "alias/app", "alias/other"} {
		if *h[i].KeyId != want || (h[i].Description != nil) != (i < 2) {
			t.Errorf("version %d: key %s, description %v", i+1, *h[i].KeyId, h[i].Description)
		}
	}
}
