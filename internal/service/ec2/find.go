package ec2

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// byID returns a record, or the error that AWS has for an id that is not
// well formed or that nothing has.
func byID[T any](tx store.Tx, t *store.Table[T], k kind, id string) (T, error) {
	if err := k.check(id); err != nil {
		var zero T
		return zero, err
	}
	return handler.Get(tx, t, id, k.notFound)
}

// kind is how AWS speaks of a kind of resource.
type kind struct {
	prefix string // of its ids
	code   string // InvalidVpcID
	noun   string // vpc ID
	typ    string // in tag specifications
	ids    string // the parameter that takes its ids
	// strict is the code of ids that have the prefix, but not 8 or 17
	// hexadecimal digits after it. AWS looks so closely only at some kinds; of
	// the others, such an id is one that nothing has.
	strict string
}

var (
	kindVpc       = kind{"vpc", "InvalidVpcID", "vpc ID", "vpc", "vpcIds", ""}
	kindSubnet    = kind{"subnet", "InvalidSubnetID", "subnet ID", "subnet", "subnetIds", ""}
	kindGroup     = kind{"sg", "InvalidGroup", "security group", "security-group", "groupIds", "InvalidGroupId.Malformed"}
	kindRule      = kind{"sgr", "InvalidSecurityGroupRuleId", "security group rule ID", "security-group-rule", "securityGroupRuleIds", "InvalidSecurityGroupRuleId.Malformed"}
	kindInterface = kind{"eni", "InvalidNetworkInterfaceID", "networkInterface ID", "network-interface", "networkInterfaceIds", "InvalidNetworkInterfaceId.Malformed"}
	kindTable     = kind{"rtb", "InvalidRouteTableID", "routeTable ID", "route-table", "routeTableIds", "InvalidRouteTableId.Malformed"}
	kindGateway   = kind{"igw", "InvalidInternetGatewayID", "internetGateway ID", "internet-gateway", "internetGatewayIds", ""}
)

func (k kind) notFound(id string) error {
	return awserr.New(k.code+".NotFound", "The %s '%s' does not exist", k.noun, id)
}

// digits are what stands behind the prefix of an id.
var digits = regexp.MustCompile(`^([0-9a-f]{8}|[0-9a-f]{17})$`)

// check refuses what can't be an id of the kind.
func (k kind) check(id string) error {
	rest, ok := strings.CutPrefix(id, k.prefix+"-")
	switch {
	case !ok:
		return awserr.New(cmp.Or(k.strict, k.code+".Malformed"), `Invalid id: "%s" (expecting "%s-...")`, id, k.prefix)
	case k.strict != "" && !digits.MatchString(rest):
		return awserr.New(k.strict, `Invalid id: "%s"`, id)
	}
	return nil
}

func vpcByID(tx store.Tx, id string) (Vpc, error) { return byID(tx, Vpcs, kindVpc, id) }

func subnetByID(tx store.Tx, id string) (Subnet, error) { return byID(tx, Subnets, kindSubnet, id) }

func groupByID(tx store.Tx, id string) (SecurityGroup, error) {
	return byID(tx, SecurityGroups, kindGroup, id)
}

// groupByName returns a group of the default VPC.
func groupByName(tx store.Tx, name string) (SecurityGroup, error) {
	vpc, err := defaultVpc(tx)
	if err != nil {
		return SecurityGroup{}, err
	}
	found, err := SecurityGroups.By(tx, "name", vpc.ID+"/"+name)
	if err != nil {
		return SecurityGroup{}, err
	}
	if len(found) == 0 {
		return SecurityGroup{}, awserr.New("InvalidGroup.NotFound", "The security group '%s' does not exist in default VPC '%s'", name, vpc.ID)
	}
	return found[0], nil
}

// groupsNamed returns the ids of the groups of the default VPC with these names.
func (a *API) groupsNamed(ctx context.Context, names []string) (ids []string) {
	_ = a.db.View(ctx, func(tx store.Tx) error {
		ids = nil
		for _, name := range names {
			g, err := groupByName(tx, name)
			if err != nil {
				return err // the handler says so
			}
			ids = append(ids, g.ID)
		}
		return nil
	})
	return ids
}

// groupBy returns the group that a request names by id or by name.
func groupBy(tx store.Tx, id, name *string) (SecurityGroup, error) {
	switch {
	case id != nil && name != nil:
		return SecurityGroup{}, twoGroups()
	case id != nil:
		return groupByID(tx, *id)
	case name != nil:
		return groupByName(tx, *name)
	}
	return SecurityGroup{}, noGroup()
}

func twoGroups() error {
	return awserr.New("InvalidParameterCombination", "The parameters groupId and groupName cannot be used together")
}

func noGroup() error {
	return awserr.New("MissingParameter", "The request must contain the parameter groupName or groupId")
}

func defaultGroup(tx store.Tx, vpcID string) (string, error) {
	if _, err := vpcByID(tx, vpcID); err != nil {
		return "", err
	}
	found, err := SecurityGroups.By(tx, "name", vpcID+"/"+defaultGroupName)
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", fmt.Errorf("VPC %s has no default security group", vpcID)
	}
	return found[0].ID, nil
}

func checkGroups(tx store.Tx, vpcID string, ids []string) error {
	for _, id := range ids {
		g, err := groupByID(tx, id)
		if err != nil {
			return err
		}
		if g.VpcID != vpcID {
			return awserr.New("InvalidGroup.NotFound", "The security group '%s' does not exist in VPC '%s'", id, vpcID)
		}
	}
	return nil
}
