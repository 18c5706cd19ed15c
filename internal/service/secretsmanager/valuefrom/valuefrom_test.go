package valuefrom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/seal"
	"github.com/skylift/skylift/internal/service/secretsmanager"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
)

// sealing is KMS as far as a secret needs it. What has "locked" in it can't be opened.
type sealing struct{ *seal.Sealer }

func (s sealing) Seal(_ context.Context, key string, context map[string]string, plain []byte) ([]byte, string, error) {
	return s.Sealer.Seal(fmt.Sprint(context), plain), "arn:key/" + key, nil
}

func (s sealing) Open(_ context.Context, context map[string]string, sealed []byte) ([]byte, error) {
	if strings.Contains(context["SecretARN"], "locked") {
		return nil, awserr.New("AccessDeniedException", "User: x is not authorized to perform: kms:Decrypt")
	}
	return s.Sealer.Open(fmt.Sprint(context), sealed)
}

// privately denies secrets with "private" in their names.
func privately(_ context.Context, action, resource string, _ map[string][]string) error {
	if strings.Contains(resource, "private") {
		return awserr.New("AccessDeniedException", "User: x is not authorized to perform: %s on resource: %s", action, resource)
	}
	return nil
}

func newAPI(t *testing.T) (*secretsmanager.API, store.DB) {
	t.Helper()
	db := memstore.New()
	t.Cleanup(func() { db.Close() })
	return secretsmanager.New(db, arn.Namespace{Region: "us-west-2", Account: "123456789012"}, sealing{seal.NewKey().For("test")}, nil), db
}

func create(t *testing.T, a *secretsmanager.API, name, value string) (arn, version string) {
	t.Helper()
	out, err := a.CreateSecret(t.Context(), &sm.CreateSecretInput{Name: &name, SecretString: &value})
	if err != nil {
		t.Fatal(err)
	}
	return *out.ARN, *out.VersionId
}

func TestRead(t *testing.T) {
	t.Parallel()
	a, db := newAPI(t)
	text, err := json.Marshal(map[string]any{"user": "ada", "port": 1000000, "on": true})
	if err != nil {
		t.Fatal(err)
	}
	arn, id := create(t, a, "db", string(text))
	plain, plainID := create(t, a, "plain", "canary")
	private, _ := create(t, a, "private", "canary")
	locked, _ := create(t, a, "locked", "canary")
	const call = "service call has been retried 1 time(s): failed to fetch secret "
	for from, want := range map[string]string{
		plain: "canary", plain[:len(plain)-7]: "canary", arn + ":user::": "ada", arn + ":user:AWSCURRENT:": "ada", arn + ":on::" + id: "true", arn + ":port::": "1e+06",
		arn + ":none::":            "retrieved secret from Secrets Manager did not contain json key none (secret " + arn + ")",
		plain + ":user::":          "retrieved secret from Secrets Manager is not valid JSON (secret " + plain + ")",
		arn + ":user":              "unexpected ARN format with parameters when trying to retrieve ASM secret: " + arn + ":user",
		arn + ":user:AWSPREVIOUS:": call + arn + " from secrets manager: ResourceNotFoundException: Secrets Manager can't find the specified secret value for staging label: AWSPREVIOUS.",
		private:                    call + private + " from secrets manager: AccessDeniedException: User: x is not authorized to perform: secretsmanager:GetSecretValue on resource: " + private,
		plain + "x":                call + plain + "x from secrets manager: ResourceNotFoundException: Secrets Manager can't find the specified secret.",
		private + "x":              call + private + "x from secrets manager: AccessDeniedException: User: x is not authorized to perform: secretsmanager:GetSecretValue on resource: " + private + "x",
		locked:                     call + locked + " from secrets manager: AccessDeniedException: Access to KMS is not allowed. User: x is not authorized to perform: kms:Decrypt",
	} {
		got, version, err := NewReader(a).Read(caller.WithJudge(t.Context(), privately), from)
		if e, ok := errors.AsType[smithy.APIError](err); ok {
			got = e.ErrorMessage()
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", from, got, want)
		}
		if err == nil && version != id && version != plainID {
			t.Errorf("%s: version %q", from, version)
		}
	}
	for from, want := range map[string]string{plain: plainID, arn + ":user::": id, arn + ":user:AWSPREVIOUS:": "", "arn:x": "", arn + "x": ""} {
		err := db.View(t.Context(), func(tx store.Tx) error {
			if got, err := Version(tx, a, from); got != want || err != nil {
				t.Errorf("version of %s: %q, %v, want %q", from, got, err, want)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A judge is told the secret by its whole ARN, and the label that is asked for.
func TestAsked(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t)
	arn, _ := create(t, a, "db", "x")
	partial := arn[:len(arn)-7]
	var asked []any
	ctx := caller.WithJudge(t.Context(), func(_ context.Context, action, resource string, keys map[string][]string) error {
		asked = append(asked, action, resource, keys)
		return nil
	})
	if _, _, err := NewReader(a).Read(ctx, partial+"::AWSCURRENT:"); err != nil {
		t.Fatal(err)
	}
	want := []any{"secretsmanager:GetSecretValue", arn, map[string][]string{"secretsmanager:SecretId": {partial}, "secretsmanager:VersionStage": {"AWSCURRENT"}}}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

// Members of one secret are of one version, also when it changes between them.
func TestMembersGoTogether(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t)
	arn, _ := create(t, a, "db", `{"user":"ada","password":"one"}`)
	r := NewReader(a)
	user, version, err := r.Read(t.Context(), arn+":user::")
	if err != nil || user != "ada" {
		t.Fatalf("%q, %v", user, err)
	}
	next := `{"user":"bob","password":"two"}`
	if _, err := a.PutSecretValue(t.Context(), &sm.PutSecretValueInput{SecretId: &arn, SecretString: &next}); err != nil {
		t.Fatal(err)
	}
	if password, same, err := r.Read(t.Context(), arn+":password::"); err != nil || password != "one" || same != version {
		t.Errorf("%q of %s, %v, want one of %s", password, same, err, version)
	}
	if password, _, err := r.Read(t.Context(), arn+":password:AWSCURRENT:"); err != nil || password != "two" {
		t.Errorf("asked for by another name: %q, %v", password, err)
	}
	if password, _, err := NewReader(a).Read(t.Context(), arn+":password::"); err != nil || password != "two" {
		t.Errorf("another reader: %q, %v", password, err)
	}
}
