package record

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/servicediscovery/types"
)

// The attributes that Cloud Map itself reads (https://docs.aws.amazon.com/cloud-map/latest/api/API_RegisterInstance.html).
const (
	IPv4       = "AWS_INSTANCE_IPV4"
	IPv6       = "AWS_INSTANCE_IPV6"
	Port       = "AWS_INSTANCE_PORT"
	CNAME      = "AWS_INSTANCE_CNAME"
	Alias      = "AWS_ALIAS_DNS_NAME"
	EC2        = "AWS_EC2_INSTANCE_ID"
	InitHealth = "AWS_INIT_HEALTH_STATUS"
)

// Set is a resource record set of Route 53's.
type Set struct {
	Name     string // as it is spoken, without a dot at its end
	Type     string
	ID       string // that tells it from others of that name and type; "" is the only one
	TTL      int64  // in seconds
	Values   []string
	Alias    string // the name of a load balancer, in place of values
	Weighted bool   // with the same weight as all others; else all are answered together
	Check    string // id of a health check
}

// Names are the record sets that a service's instances have in the namespace's zone. Those whose health is told as bad are left
// out, unless all are.
func Names(n *Namespace, s *Service, all []Instance) (sets []Set) {
	if n.Zone == "" || len(s.Records) == 0 {
		return nil
	}
	name := s.Name + "." + n.Name
	if s.Name == "." {
		name = n.Name
	}
	for _, i := range Well(all) {
		for _, r := range s.Records {
			set := Set{Name: name, Type: string(r.Type), ID: i.ID, TTL: *r.TTL, Weighted: s.Policy == types.RoutingPolicyWeighted, Check: i.Check}
			switch own := i.ID + "." + name; {
			case i.Attributes[Alias] != "":
				set.TTL, set.Alias = 0, i.Attributes[Alias]
			case r.Type == types.RecordTypeSrv:
				set.Values = []string{fmt.Sprintf("1 1 %s %s", i.Attributes[Port], own)}
				sets = append(sets, addresses(own, *r.TTL, &i)...)
			default:
				set.Values = []string{i.Attributes[attributeOf[r.Type]]}
			}
			sets = append(sets, set)
		}
	}
	return sets
}

// attributeOf is what the value of a record is read from.
var attributeOf = map[types.RecordType]string{types.RecordTypeA: IPv4, types.RecordTypeAaaa: IPv6, types.RecordTypeCname: CNAME}

// addresses are the records of the name that an SRV record of an instance leads to.
func addresses(name string, ttl int64, i *Instance) (sets []Set) {
	for _, kind := range []types.RecordType{types.RecordTypeA, types.RecordTypeAaaa} {
		if v := i.Attributes[attributeOf[kind]]; v != "" {
			sets = append(sets, Set{Name: name, Type: string(kind), TTL: ttl, Values: []string{v}})
		}
	}
	return sets
}

// Well are those instances whose health nobody tells as bad, or all when that is none.
func Well(all []Instance) []Instance {
	var well []Instance
	for _, i := range all {
		if i.Health != types.CustomHealthStatusUnhealthy {
			well = append(well, i)
		}
	}
	if len(well) == 0 {
		return all
	}
	return well
}

// Missing is the first attribute that an instance of the service must have, and why; "" when all are there.
func Missing(s *Service, has map[string]string) (attribute, why string) {
	if has[Alias] != "" {
		return "", ""
	}
	for _, r := range s.Records {
		if a := attributeOf[r.Type]; a != "" && has[a] == "" {
			return a, fmt.Sprintf("the service has records of type %s", r.Type)
		}
		if r.Type == types.RecordTypeSrv {
			switch {
			case has[Port] == "":
				return Port, "the service has records of type SRV"
			case has[IPv4] == "" && has[IPv6] == "":
				return IPv4 + " or " + IPv6, "the service has records of type SRV"
			}
		}
	}
	if c := s.Check; c != nil && has[IPv4] == "" && has[IPv6] == "" {
		return strings.Join([]string{IPv4, IPv6}, " or "), "the service has a health check"
	}
	return "", ""
}
