package metadata

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/role"
)

// purse gives each task what is named for it.
type purse struct{ err error }

func (p purse) Credentials(_ context.Context, t ecs.Task) (Credentials, error) {
	return Credentials{RoleArn: t.Role, AccessKeyID: "ASIA" + t.ID, SecretAccessKey: "hush", Token: "token", Expiration: moment("2020-10-08T20:09:01Z")}, p.err
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	mine, d := curl()
	mine.Role, mine.CredentialsID = "arn:aws:iam::111122223333:role/app", "11111111-1111-4111-8111-111111111111"
	other := mine
	other.ID, other.CredentialsID, other.ENI.Addr = strings.Repeat("b", 32), "22222222-2222-4222-8222-222222222222", netip.MustParseAddr("172.31.42.190")
	without := other
	without.ID, without.Role, without.CredentialsID, without.ENI.Addr = strings.Repeat("c", 32), "", "", netip.MustParseAddr("172.31.42.191")
	ended := other
	ended.ID, ended.CredentialsID, ended.ENI.Addr, ended.Status = strings.Repeat("d", 32), "33333333-3333-4333-8333-333333333333", netip.MustParseAddr("172.31.42.192"), ecs.Deprovisioning
	s := server(t, running, d, mine, other, without, ended)
	s.Roles = purse{}
	for name, tc := range map[string]struct {
		from   netip.Addr
		path   string
		status int
		want   string
	}{
		"its own":             {mine.ENI.Addr, mine.CredentialsID, 200, `{"RoleArn":"arn:aws:iam::111122223333:role/app","AccessKeyId":"ASIA` + mine.ID + `","SecretAccessKey":"hush","Token":"token","Expiration":"2020-10-08T20:09:01Z"}`},
		"another's":           {other.ENI.Addr, mine.CredentialsID, 400, `{"code":"InvalidIdInRequest","message":"CredentialsV2Request: Credentials not found","HTTPErrorCode":400}`},
		"from a task without": {without.ENI.Addr, mine.CredentialsID, 400, `{"code":"InvalidIdInRequest","message":"CredentialsV2Request: Credentials not found","HTTPErrorCode":400}`},
		"a guess":             {mine.ENI.Addr, "x", 400, `{"code":"InvalidIdInRequest","message":"CredentialsV2Request: Credentials not found","HTTPErrorCode":400}`},
		"no id":               {mine.ENI.Addr, "", 400, `{"code":"NoIdInRequest","message":"CredentialsV2Request: No Credential ID in the request","HTTPErrorCode":400}`},
		"after it has ended":  {ended.ENI.Addr, ended.CredentialsID, 400, `{"code":"InvalidIdInRequest","message":"CredentialsV2Request: Credentials not found","HTTPErrorCode":400}`},
	} {
		got := ask(s, http.MethodGet, tc.from, role.CredentialsPath+tc.path, "")
		if got.Code != tc.status || got.Body.String() != tc.want {
			t.Errorf("%s: %d %s, want %d %s", name, got.Code, got.Body, tc.status, tc.want)
		}
	}
	s.Roles = purse{errors.New("no")}
	var said noCredentials
	got := ask(s, http.MethodGet, mine.ENI.Addr, role.CredentialsPath+mine.CredentialsID, "")
	if err := json.Unmarshal(got.Body.Bytes(), &said); err != nil || got.Code != http.StatusServiceUnavailable || said.Code != "CredentialsUninitialized" {
		t.Errorf("a role that can't be assumed: %d %s", got.Code, got.Body)
	}
	if c := (Credentials{AccessKeyID: "ASIA", SecretAccessKey: "hush", Expiration: time.Now()}); strings.Contains(c.String()+c.GoString()+c.LogValue().String(), "hush") {
		t.Error("the secret is printed")
	}
}
