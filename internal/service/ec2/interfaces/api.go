// Package interfaces makes network interfaces for those that own them, and
// answers EC2's calls about them.
package interfaces

import (
	"sync"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/service/ec2/addresses"
	"github.com/skylift/skylift/internal/service/ec2/list"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// API answers for network interfaces. It is safe for concurrent use.
type API struct {
	db   store.DB
	ns   arn.Namespace
	pool addresses.Pool // of public addresses

	// allocating keeps this process' own allocations from making each other
	// retry; what makes them right is the transaction.
	allocating sync.Mutex
}

// NewAPI returns the API, which gives interfaces public addresses of pool.
func NewAPI(db store.DB, ns arn.Namespace, pool addresses.Pool) *API {
	return &API{db: db, ns: ns, pool: pool}
}

// What condition keys are never there, and why.
const (
	operatorKeys = "ec2:ManagedResourceOperator"
	noOperators  = "interfaces belong to the account, and are lent to nobody"
	instanceKeys = "ec2:CpuOptionsAmdSevSnp ec2:EbsOptimized ec2:InstanceAutoRecovery ec2:InstanceBandwidthWeighting ec2:InstanceID " +
		"ec2:InstanceMarketType ec2:InstanceMetadataTags ec2:InstanceProfile ec2:InstanceType ec2:MetadataHttpEndpoint ec2:MetadataHttpPutResponseHopLimit " +
		"ec2:MetadataHttpTokens ec2:PlacementGroup ec2:ProductCode ec2:RootDeviceType"
	noInstances = "there are no instances"
)

// Operations lists what the API answers.
func (a *API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("CreateNetworkInterface", a.CreateNetworkInterface).On("subnet: SubnetId", "security-group: SecurityGroupId").Makes("network-interface: *").
			Takes("ClientToken Description DryRun PrivateIpAddress PrivateIpAddresses{*} SecondaryPrivateIpAddressCount=0 SecurityGroupId SubnetId", request.TagMembers).
			Checks(func(in *sdk.CreateNetworkInterfaceInput) []error { return newInterfaceFaults(in) }),
		wire.Op("DeleteNetworkInterface", a.DeleteNetworkInterface).On("network-interface: NetworkInterfaceId").Lacks(operatorKeys, noOperators).Takes("DryRun NetworkInterfaceId"),
		wire.Op("DescribeNetworkInterfaceAttribute", a.DescribeNetworkInterfaceAttribute).Takes("Attribute DryRun NetworkInterfaceId"),
		wire.Op("ModifyNetworkInterfaceAttribute", a.ModifyNetworkInterfaceAttribute).On("network-interface: NetworkInterfaceId", "security-group: SecurityGroupId").
			KeyFound("ec2:Attribute", changedAttribute).Lacks(operatorKeys, noOperators).Lacks(instanceKeys, noInstances).
			Takes("Description{*} DryRun NetworkInterfaceId SecurityGroupId SourceDestCheck{*}"),
		wire.Op("DescribeNetworkInterfaces", a.DescribeNetworkInterfaces).Takes(list.Members, "IncludeManagedResources NetworkInterfaceId"),
	}
}
