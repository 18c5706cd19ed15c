package api

import (
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/service/ec2"
)

func TestPeering(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, c := account(t), t.Context()
		b := build(t, a)
		def := firstSubnet(t, a).VpcID
		made := must(a.CreateVpcPeeringConnection(c, &sdk.CreateVpcPeeringConnectionInput{VpcId: &b.vpc, PeerVpcId: &def, PeerOwnerId: &testNS.Account}))(t).VpcPeeringConnection
		id := made.VpcPeeringConnectionId
		if made.Status.Code != "pending-acceptance" || *made.Status.Message != "Pending Acceptance by "+testNS.Account || made.AccepterVpcInfo.CidrBlock != nil || *made.RequesterVpcInfo.CidrBlock != "10.20.0.0/16" {
			t.Errorf("made %+v", made)
		}
		through := &sdk.CreateRouteInput{RouteTableId: &b.privateTable, DestinationCidrBlock: new("172.31.0.0/16"), VpcPeeringConnectionId: id}
		_, err := a.CreateRoute(c, through)
		wantCode(t, "before it is accepted", err, "InvalidStateTransition", *id)
		_, err = a.CreateVpcPeeringConnection(c, &sdk.CreateVpcPeeringConnectionInput{VpcId: &def, PeerVpcId: &b.vpc})
		wantCode(t, "again, from the other end", err, "VpcPeeringConnectionAlreadyExists", b.vpc)
		if p := must(a.AcceptVpcPeeringConnection(c, &sdk.AcceptVpcPeeringConnectionInput{VpcPeeringConnectionId: id}))(t).VpcPeeringConnection; *p.AccepterVpcInfo.CidrBlock != "172.31.0.0/16" || *p.Status.Message != "Active" {
			t.Errorf("accepted: %+v", p)
		}
		must(a.CreateRoute(c, through))(t)
		if got, want := b.tables(t, a)[1], "private: 10.20.0.0/16 local active, 0.0.0.0/0 nat active, 172.31.0.0/16 pcx active"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		_, err = a.RejectVpcPeeringConnection(c, &sdk.RejectVpcPeeringConnectionInput{VpcPeeringConnectionId: id})
		wantCode(t, "rejected when it is active", err, "InvalidStateTransition", "active")
		must(a.DeleteVpcPeeringConnection(c, &sdk.DeleteVpcPeeringConnectionInput{VpcPeeringConnectionId: id}))(t)
		if got, want := b.tables(t, a)[1], "private: 10.20.0.0/16 local active, 0.0.0.0/0 nat active, 172.31.0.0/16 pcx blackhole"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		states := func() (out []types.VpcPeeringConnectionStateReasonCode) {
			t.Helper()
			for _, p := range must(a.DescribeVpcPeeringConnections(c, &sdk.DescribeVpcPeeringConnectionsInput{Filters: filter("requester-vpc-info.vpc-id", b.vpc)}))(t).VpcPeeringConnections {
				out = append(out, p.Status.Code)
			}
			return out
		}
		if s := states(); len(s) != 1 || s[0] != "deleted" {
			t.Errorf("after it was deleted: %v", s)
		}
		time.Sleep(3 * time.Hour)
		if s := states(); len(s) != 0 {
			t.Errorf("long after it was deleted: %v", s)
		}
		again := must(a.CreateVpcPeeringConnection(c, &sdk.CreateVpcPeeringConnectionInput{VpcId: &b.vpc, PeerVpcId: &def}))(t).VpcPeeringConnection.VpcPeeringConnectionId
		time.Sleep(8 * 24 * time.Hour)
		_, err = a.AcceptVpcPeeringConnection(c, &sdk.AcceptVpcPeeringConnectionInput{VpcPeeringConnectionId: again})
		wantCode(t, "after it expired", err, "InvalidVpcPeeringConnectionID.NotFound", *again)
		if n := len(records(t, a, ec2.Peerings)); n != 1 { // the failed call changed nothing
			t.Errorf("%d records", n)
		}
		for code, in := range map[string]*sdk.CreateVpcPeeringConnectionInput{
			"InvalidParameterValue": {VpcId: &b.vpc, PeerVpcId: &b.vpc},
			"MissingParameter":      {VpcId: &b.vpc},
			"UnsupportedOperation":  {VpcId: &b.vpc, PeerVpcId: &def, PeerRegion: new("eu-west-1")},
			"InvalidVpcID.NotFound": {VpcId: &b.vpc, PeerVpcId: new("vpc-0")},
		} {
			_, err := a.CreateVpcPeeringConnection(c, in)
			wantCode(t, code, err, code, "")
		}
	})
}
