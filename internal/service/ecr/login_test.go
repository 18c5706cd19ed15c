package ecr

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr"

	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/store/memstore"
)

func TestAuthorizationTokenExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memstore.New()
		records, err := record.Open(t.Context(), db, ns, host)
		if err != nil {
			t.Fatal(err)
		}
		out, err := New(records, stored{}).GetAuthorizationToken(t.Context(), &ecr.GetAuthorizationTokenInput{})
		if err != nil {
			t.Fatal(err)
		}
		data := out.AuthorizationData[0]
		if *data.ProxyEndpoint != "http://127.0.0.1:4566" || time.Until(*data.ExpiresAt) > 12*time.Hour {
			t.Errorf("got %+v", data)
		}
		login, err := base64.StdEncoding.DecodeString(*data.AuthorizationToken)
		if err != nil {
			t.Fatal(err)
		}
		name, password, _ := strings.Cut(string(login), ":")

		time.Sleep(12*time.Hour - time.Minute)
		records, err = record.Open(t.Context(), db, ns, host) // after a restart
		if err != nil {
			t.Fatal(err)
		}
		if err := records.Authenticate(t.Context(), name, password); err != nil {
			t.Errorf("refused before it expired: %v", err)
		}
		time.Sleep(time.Minute)
		err = records.Authenticate(t.Context(), name, password)
		if e, ok := errors.AsType[*registry.Error](err); !ok || e.Status != 403 || !strings.Contains(e.Message, "has expired") {
			t.Errorf("got %v, want that it expired", err)
		}
	})
}

func TestResolveImage(t *testing.T) {
	t.Parallel()
	a := open(t)
	a.create(t, "team/app")
	d := a.push(t, "team/app", "content", "latest", "v1")
	tests := []struct {
		ref, want string
		ok        bool
		err       string
	}{
		{"127.0.0.1:4566/team/app", host + "/team/app@" + d, true, ""},
		{"127.0.0.1:4566/team/app:v1", host + "/team/app@" + d, true, ""},
		{"127.0.0.1:4566/team/app@" + d, host + "/team/app@" + d, true, ""},
		{"127.0.0.1:4566/team/app:gone@" + d, host + "/team/app@" + d, true, ""},
		{"nginx:latest", "", false, ""},
		{"127.0.0.1:4567/team/app", "", false, ""},
		{"127.0.0.1:4566/team/app:v2", "", true, "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref 127.0.0.1:4566/team/app:v2: 127.0.0.1:4566/team/app:v2: not found"},
		{"127.0.0.1:4566/gone:v2", "", true, "repository does not exist or may require authorization: The repository with name 'gone' does not exist"},
	}
	for _, tt := range tests {
		got, ok, err := a.ResolveImage(t.Context(), tt.ref)
		if got != tt.want || ok != tt.ok || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: got %q, %v, %v", tt.ref, got, ok, err)
		}
		_, password, ours := a.PullAuth(t.Context(), tt.ref)
		if ours != tt.ok || ours && a.records.Authenticate(t.Context(), "AWS", password) != nil {
			t.Errorf("%s: got a login %v", tt.ref, ours)
		}
	}
}
