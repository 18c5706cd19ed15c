// Package addresses answers EC2's calls about public addresses, and gives them out.
//
// An address is held by one elastic address or one interface at a time, and an interface's address has one public address
// at most.
package addresses

import (
	"context"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// API answers for elastic addresses.
type API struct {
	db   store.DB
	ns   arn.Namespace
	pool Pool
}

// New returns the API, which gives out the addresses of pool.
func New(db store.DB, ns arn.Namespace, pool Pool) *API { return &API{db, ns, pool} }

// What condition keys are never there, and why.
const (
	operatorKeys = "ec2:ManagedResourceOperator"
	noOperators  = "interfaces belong to the account, and are lent to nobody"
	instanceKeys = "ec2:AvailabilityZoneId ec2:CpuOptionsAmdSevSnp ec2:EbsOptimized ec2:InstanceAutoRecovery ec2:InstanceBandwidthWeighting ec2:InstanceID " +
		"ec2:InstanceMarketType ec2:InstanceMetadataTags ec2:InstanceProfile ec2:InstanceType ec2:MetadataHttpEndpoint ec2:MetadataHttpPutResponseHopLimit " +
		"ec2:MetadataHttpTokens ec2:PlacementGroup ec2:ProductCode ec2:RootDeviceType"
	noInstances = "there are no instances"
)

// Operations lists what the API answers.
func (a *API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("AllocateAddress", a.AllocateAddress).Makes("elastic-ip: *").
			Takes("Address Domain=vpc DryRun NetworkBorderGroup PublicIpv4Pool=amazon", request.TagMembers).
			Checks(func(in *sdk.AllocateAddressInput) []error {
				return request.TagSpecFaults(request.Address.Type, in.TagSpecifications)
			}),
		wire.Op("AssociateAddress", a.AssociateAddress).On("elastic-ip: AllocationId", "network-interface: NetworkInterfaceId").OnFound("elastic-ip: PublicIp", a.byAddresses).
			Lacks(operatorKeys, noOperators).Lacks(instanceKeys, noInstances).
			Takes("AllocationId AllowReassociation DryRun NetworkInterfaceId PrivateIpAddress PublicIp"),
		wire.Op("DescribeAddresses", a.DescribeAddresses).Takes("AllocationId DryRun Filter{*} PublicIp"),
		wire.Op("DescribeAddressesAttribute", a.DescribeAddressesAttribute).Takes("AllocationId Attribute DryRun MaxResults NextToken"),
		wire.Op("DisassociateAddress", a.DisassociateAddress).OnFound("elastic-ip: PublicIp", a.byAddresses).OnFound("network-interface: AssociationId", a.interfacesOf).
			Lacks(operatorKeys, noOperators).Takes("AssociationId DryRun PublicIp"),
		wire.Op("ReleaseAddress", a.ReleaseAddress).On("elastic-ip: AllocationId").OnFound("elastic-ip: PublicIp", a.byAddresses).Takes("AllocationId DryRun NetworkBorderGroup PublicIp"),
	}
}

// byAddresses returns the ids of the elastic addresses with these addresses.
func (a *API) byAddresses(ctx context.Context, addrs []string) (ids []string) {
	_ = a.db.View(ctx, func(tx store.Tx) error {
		ids = nil
		for _, addr := range addrs {
			e, err := byAddress(tx, addr)
			if err != nil {
				return err // the handler says so
			}
			ids = append(ids, e.ID)
		}
		return nil
	})
	return ids
}

// interfacesOf returns the interfaces that these associations are with.
func (a *API) interfacesOf(ctx context.Context, associations []string) (ids []string) {
	_ = a.db.View(ctx, func(tx store.Tx) error {
		ids = nil
		for _, id := range associations {
			e, err := byAssociation(tx, id)
			if err != nil {
				return err // the handler says so
			}
			ids = append(ids, e.Interface)
		}
		return nil
	})
	return ids
}
