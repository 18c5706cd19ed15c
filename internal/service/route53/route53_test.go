package route53

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/service/route53/record"
	"github.com/skylift/skylift/internal/service/route53/scope"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
	"github.com/skylift/skylift/internal/wire"
)

const elbZone = "Z1H1FL5HABSF5"

// balancers has one.
type balancers struct{}

func (balancers) HostedZone() string { return elbZone }

func (balancers) Named(_ store.Tx, name string) (bool, error) {
	return name == "app.us-west-2.elb.localhost", nil
}

func newAPI(t *testing.T) *API {
	t.Helper()
	db := memstore.New()
	t.Cleanup(func() { db.Close() })
	return New(&scope.Scope{DB: db, NS: arn.Namespace{Region: "us-west-2", Account: "123456789012"}, Balancers: balancers{}})
}

// fails says whether err has the code, and words in its message.
func fails(t *testing.T, what string, err error, code, words string) {
	t.Helper()
	e, is := errors.AsType[smithy.APIError](err)
	if !is || e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), words) {
		t.Errorf("%s: got %v, want %s: %s", what, err, code, words)
	}
}

func newZone(t *testing.T, a *API) string {
	t.Helper()
	out, err := a.zones.CreateHostedZone(t.Context(), &sdk.CreateHostedZoneInput{Name: new("example.test"), CallerReference: new("1")})
	if err != nil {
		t.Fatal(err)
	}
	return *out.HostedZone.Id
}

func alias(action types.ChangeAction, name, target string) types.Change {
	return types.Change{Action: action, ResourceRecordSet: &types.ResourceRecordSet{
		Name: &name, Type: types.RRTypeA, AliasTarget: &types.AliasTarget{HostedZoneId: new(elbZone), DNSName: &target},
	}}
}

// TestDeclarations: what operations declare is what AWS's model and reference have.
func TestDeclarations(t *testing.T) {
	t.Parallel()
	if _, err := wire.NewService("route53", newAPI(t).Operations()...); err != nil {
		t.Error(err)
	}
}

// TestBatchIsBounded: aliases count, and a batch that is too large isn't looked at further.
func TestBatchIsBounded(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	id := newZone(t, a)
	change := func(all []types.Change) error {
		_, err := a.sets.ChangeResourceRecordSets(t.Context(), &sdk.ChangeResourceRecordSetsInput{HostedZoneId: &id, ChangeBatch: &types.ChangeBatch{Changes: all}})
		return err
	}
	var many, wrong []types.Change
	for i := range 1001 {
		many = append(many, alias(types.ChangeActionCreate, fmt.Sprintf("n%d.other.test", i), "app.us-west-2.elb.localhost"))
	}
	fails(t, "many", change(many), "InvalidChangeBatch", "Number of records limit of 1000 exceeded.")
	err := change(many)
	if batch, is := errors.AsType[*types.InvalidChangeBatch](err); !is || len(batch.Messages) > 2 {
		t.Errorf("got %v", err)
	}
	wrong = many[:500]
	if batch, is := errors.AsType[*types.InvalidChangeBatch](change(wrong)); !is || len(batch.Messages) > 102 {
		t.Errorf("got %d messages", len(batch.Messages))
	}
	if err := change([]types.Change{alias(types.ChangeActionCreate, "www.example.test", "dualstack.app.us-west-2.elb.localhost.")}); err != nil {
		t.Error(err)
	}
	cname := types.Change{Action: types.ChangeActionCreate, ResourceRecordSet: &types.ResourceRecordSet{
		Name: new("www.example.test"), Type: types.RRTypeCname, TTL: new(int64(60)), ResourceRecords: []types.ResourceRecord{{Value: new("a.test")}},
	}}
	fails(t, "a CNAME beside another", change([]types.Change{cname}), "InvalidChangeBatch", "conflicts with other records")
}

// TestForget: a change can be asked about for a day, and is removed then.
func TestForget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t)
		newZone(t, a)
		var id string
		count := func() (n int) {
			if err := a.db.View(t.Context(), func(tx store.Tx) error {
				all, err := record.Changes.List(tx, "")
				for _, c := range all {
					id = c.ID
				}
				n = len(all)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			return n
		}
		count()
		again, err := a.Forget(t.Context(), id)
		if err != nil || again != record.ChangeLife || count() != 1 {
			t.Fatalf("at first: again in %v, %v", again, err)
		}
		time.Sleep(again)
		if again, err = a.Forget(t.Context(), id); err != nil || again != 0 || count() != 0 {
			t.Errorf("after a day: again in %v, %v, %d changes", again, err, count())
		}
	})
}

// TestPoliciesSeeBareIDs: what a policy judges is what the handler changes, in either form of an id.
func TestPoliciesSeeBareIDs(t *testing.T) {
	t.Parallel()
	if got := scope.ZoneIDs(t.Context(), []string{"/hostedzone/Z1", "Z2"}); !slices.Equal(got, []string{"Z1", "Z2"}) {
		t.Errorf("got %v", got)
	}
	if got := scope.ChangeIDs(t.Context(), []string{"/change/C1", "C2"}); !slices.Equal(got, []string{"C1", "C2"}) {
		t.Errorf("got %v", got)
	}
}

// TestHealthChecksHaveNoCircle: a calculated check is never below itself, nor of more levels than are looked at.
func TestHealthChecksHaveNoCircle(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	n := 0
	calculated := func(children ...string) (string, error) {
		n++
		out, err := a.health.CreateHealthCheck(context.Background(), &sdk.CreateHealthCheckInput{CallerReference: new(fmt.Sprint(n)), HealthCheckConfig: &types.HealthCheckConfig{
			Type: types.HealthCheckTypeCalculated, HealthThreshold: new(int32(min(1, len(children)))), ChildHealthChecks: children,
		}})
		if err != nil {
			return "", err
		}
		return *out.HealthCheck.Id, nil
	}
	count := func(id string, children ...string) error {
		_, err := a.health.UpdateHealthCheck(t.Context(), &sdk.UpdateHealthCheckInput{HealthCheckId: &id, ChildHealthChecks: children})
		return err
	}
	bottom, err := calculated()
	if err != nil {
		t.Fatal(err)
	}
	top := bottom
	for i := range 8 {
		if top, err = calculated(top); err != nil {
			t.Fatalf("level %d: %v", i, err)
		}
	}
	_, err = calculated(top)
	fails(t, "a ninth level above", err, "InvalidInput", "levels")
	fails(t, "itself", count(bottom, bottom), "InvalidInput", "can't monitor itself")
	fails(t, "a circle", count(bottom, top), "InvalidInput", "can't monitor itself")
	other, err := calculated()
	if err != nil {
		t.Fatal(err)
	}
	fails(t, "a ninth level below", count(bottom, other), "InvalidInput", "levels")
	fails(t, "one that isn't there", count(bottom, "none"), "NoSuchHealthCheck", "none")
}
