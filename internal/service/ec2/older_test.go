package ec2

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
)

// TestOneVpc: the one VPC that 0.1.0 knew has what it had without saying so.
func TestOneVpc(t *testing.T) {
	t.Parallel()
	db := memstore.New()
	type vpc1 struct {
		ID      string
		CIDR    netip.Prefix
		Default bool
	}
	type subnet1 struct{ ID, VpcID string }
	type table1 struct{ ID, VpcID, AssociationID, Gateway string }
	cidr := netip.MustParsePrefix("172.31.0.0/16")
	err := db.Update(t.Context(), func(tx store.Tx) error {
		if err := store.NewTable[vpc1]("ec2-vpc").Put(tx, "vpc-1", vpc1{"vpc-1", cidr, true}); err != nil {
			return err
		}
		if err := store.NewTable[subnet1]("ec2-subnet").Put(tx, "subnet-1", subnet1{"subnet-1", "vpc-1"}); err != nil {
			return err
		}
		return store.NewTable[table1]("ec2-route-table").Put(tx, "rtb-1", table1{"rtb-1", "vpc-1", "rtbassoc-1", "igw-1"})
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Upgrade(t.Context(), db, nil, Tables()...); err != nil {
		t.Fatal(err)
	}
	err = db.View(t.Context(), func(tx store.Tx) error {
		v, err := Vpcs.Get(tx, "vpc-1")
		if err != nil {
			return err
		}
		s, err := Subnets.Get(tx, "subnet-1")
		if err != nil {
			return err
		}
		table, err := RouteTables.Get(tx, "rtb-1")
		opts := cmp.Options{cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{})}
		want := []any{
			Vpc{ID: "vpc-1", CIDR: cidr, Default: true, DNSSupport: true, DNSHostnames: true},
			Subnet{ID: "subnet-1", VpcID: "vpc-1", MapPublicIP: true},
			RouteTable{
				ID: "rtb-1", VpcID: "vpc-1", Associations: []RouteAssociation{{ID: "rtbassoc-1", Main: true}},
				Routes: []Route{{Destination: netip.MustParsePrefix("0.0.0.0/0"), Target: "igw-1", Origin: "CreateRoute"}},
			},
		}
		if diff := cmp.Diff(want, []any{v, s, table}, opts); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	for _, step := range []store.Step{vpcAttributes, subnetAttributes, routesOf} {
		if _, err := step("k", []byte("nonsense")); err == nil {
			t.Error("a record that can't be read became something")
		}
	}
}
