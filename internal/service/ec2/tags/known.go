package tags

import (
	"errors"
	"strings"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
)

const (
	operatorKeys = "ec2:AuthorizedUser ec2:ManagedResourceOperator ec2:Permission"
	noOperators  = "interfaces belong to the account, and are lent to nobody"
)

// Known returns the tags of the resource with that ARN and the condition keys that it tells; none when there is no such one.
func (a *API) Known(tx store.Tx, ref string) (tags, keys map[string]string, err error) {
	r, err := arn.Parse(ref)
	if err != nil || r.Region != a.ns.Region || r.Account != a.ns.Account {
		return nil, nil, nil //nolint:nilerr // it names nothing here
	}
	kind, id, _ := strings.Cut(r.Resource, "/")
	if tags, err = handler.TagsOf(tx, ec2.TagSets, id, func(s *ec2.TagSet) handler.Tags { return s.Tags }); err != nil {
		return nil, nil, err
	}
	if keys, err = a.facts(tx, kind, id); errors.Is(err, store.ErrNotFound) {
		return tags, nil, nil
	}
	return tags, keys, err
}

// facts returns the condition keys that the resource tells.
func (a *API) facts(tx store.Tx, kind, id string) (map[string]string, error) {
	vpc := func(id string) string { return a.ns.ARN("ec2", "vpc/"+id) }
	switch kind {
	case request.Vpc.Type:
		return map[string]string{"ec2:VpcID": id, "ec2:Tenancy": "default"}, nil
	case request.InternetGateway.Type:
		return map[string]string{"ec2:InternetGatewayID": id}, nil
	case request.Group.Type:
		g, err := ec2.SecurityGroups.Get(tx, id)
		return map[string]string{"ec2:SecurityGroupID": id, "ec2:Vpc": vpc(g.VpcID)}, err
	case request.RouteTable.Type:
		t, err := ec2.RouteTables.Get(tx, id)
		return map[string]string{"ec2:RouteTableID": id, "ec2:Vpc": vpc(t.VpcID)}, err
	case request.Subnet.Type:
		s, err := ec2.Subnets.Get(tx, id)
		return map[string]string{"ec2:SubnetID": id, "ec2:Vpc": vpc(s.VpcID), "ec2:AvailabilityZone": s.AZ, "ec2:AvailabilityZoneId": s.AZID}, err
	case request.NatGateway.Type:
		g, err := ec2.NatGateways.Get(tx, id)
		return map[string]string{"ec2:Vpc": vpc(g.VpcID)}, err
	case request.Address.Type:
		e, err := ec2.ElasticAddresses.Get(tx, id)
		return map[string]string{"ec2:AllocationId": id, "ec2:Domain": "vpc", "ec2:PublicIpAddress": e.Addr.String()}, err
	case request.ACL.Type:
		l, err := ec2.NetworkACLs.Get(tx, id)
		return map[string]string{"ec2:NetworkAclID": id, "ec2:Vpc": vpc(l.VpcID)}, err
	case request.Options.Type:
		return map[string]string{"ec2:DhcpOptionsID": id}, nil
	case request.Peering.Type:
		p, err := ec2.Peerings.Get(tx, id)
		return map[string]string{"ec2:VpcPeeringConnectionID": id, "ec2:RequesterVpc": vpc(p.Requester), "ec2:AccepterVpc": vpc(p.Accepter)}, err
	case request.Endpoint.Type:
		e, err := ec2.Endpoints.Get(tx, id)
		return map[string]string{"ec2:VpceServiceName": e.Service, "ec2:VpceServiceOwner": "amazon"}, err
	case request.Interface.Type:
		i, err := ec2.Interfaces.Get(tx, id)
		return map[string]string{
			"ec2:NetworkInterfaceID": id, "ec2:Vpc": vpc(i.VpcID), "ec2:Subnet": a.ns.ARN("ec2", "subnet/"+i.SubnetID),
			"ec2:AvailabilityZone": i.AZ,
		}, err
	}
	return nil, nil
}
