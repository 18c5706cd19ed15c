package daemon

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/skylift/skylift/internal/attach"
	"github.com/skylift/skylift/internal/service/ec2"
	ec2api "github.com/skylift/skylift/internal/service/ec2/api"
	eni "github.com/skylift/skylift/internal/service/ec2/interfaces"
)

var ec2Service = service{make: (*builder).ec2, tables: ec2.Tables}

// ec2 makes EC2 and, at the first start, its default VPC.
func (b *builder) ec2(ctx context.Context) (part, error) {
	host := ec2api.Host{CIDR: b.m.is.VPCCIDR, Public: b.m.publicAddresses(b.m.is.ID)}
	if n, ok := b.m.Network.(interface{ Claim(netip.Prefix) error }); ok {
		host.Claim = n.Claim
	}
	b.network = ec2api.New(b.m.db, b.m.ns, host)
	if err := b.network.EnsureDefaults(ctx); err != nil {
		return part{}, fmt.Errorf("make the default VPC: %w", err)
	}
	return part{name: "ec2", title: "EC2", api: b.network, tagged: b.network, operations: b.network.Operations()}, nil
}

// interfaces is EC2 as attach sees it.
type interfaces struct{ *ec2api.API }

func (n interfaces) CreateInterface(ctx context.Context, r attach.Request) (attach.Made, error) {
	i, err := n.API.CreateInterface(ctx, eni.Request{
		SubnetID: r.Subnet, Groups: r.Groups, Description: r.Description, Type: r.Type, Owner: r.Owner, RequesterManaged: true,
	})
	return attach.Made{ID: i.ID, Addr: i.Addr}, err
}
