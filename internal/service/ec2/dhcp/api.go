// Package dhcp answers EC2's calls about DHCP options, and says what interfaces are told at their start.
package dhcp

import (
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/list"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// API answers for DHCP options.
type API struct {
	db store.DB
	ns arn.Namespace
}

// New returns the API.
func New(db store.DB, ns arn.Namespace) *API { return &API{db, ns} }

// Operations lists what the API answers.
func (a *API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("AssociateDhcpOptions", a.AssociateDhcpOptions).On("dhcp-options: DhcpOptionsId", "vpc: VpcId").Takes("DhcpOptionsId DryRun VpcId"),
		wire.Op("CreateDhcpOptions", a.CreateDhcpOptions).Makes("dhcp-options: *").Takes("DhcpConfiguration{*} DryRun", request.TagMembers).
			Checks(func(in *sdk.CreateDhcpOptionsInput) []error { return newOptionsFaults(in) }),
		wire.Op("DeleteDhcpOptions", a.DeleteDhcpOptions).On("dhcp-options: DhcpOptionsId").Takes("DhcpOptionsId DryRun"),
		wire.Op("DescribeDhcpOptions", a.DescribeDhcpOptions).Takes(list.Members, "DhcpOptionsId"),
	}
}

// none is what a VPC without DHCP options has as their id.
const none = "default"

// Default returns the id of the options that new VPCs have; store.ErrNotFound when there are none yet.
func Default(tx store.Tx) (string, error) {
	for o, err := range ec2.DHCPOptionSets.Peek(tx, "") {
		if err != nil {
			return "", err
		}
		if o.Default {
			return o.ID, nil
		}
	}
	return "", store.ErrNotFound
}

// Amazon returns the options that an account has in a region from the start.
func Amazon(id, region string) ec2.DHCPOptions {
	domain := region + ".compute.internal"
	if region == "us-east-1" {
		domain = "ec2.internal"
	}
	return ec2.DHCPOptions{ID: id, Default: true, Options: []ec2.DHCPOption{{Key: keyDomain, Values: []string{domain}}, {Key: keyServers, Values: []string{amazonDNS}}}}
}
