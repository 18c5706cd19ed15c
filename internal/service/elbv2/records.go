package elbv2

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// LoadBalancer is an application load balancer as its owner wants it. Its key
// is its ARN.
type LoadBalancer struct {
	ARN        string
	Name       string
	DNSName    string
	Scheme     string // internet-facing, internal
	VPC        string
	Subnets    []Subnet // each in another zone, in the order of the zones
	Groups     []string // security groups
	Created    time.Time
	Attributes map[string]string `json:",omitempty"` // those that were set
	Tags       handler.Tags      // empty, but not nil, when it had some
}

// Interface is the network interface of a balancer in one of its subnets. It
// is written by elbv2/attach only, and there before its ID and Addr are known.
// Its key is InterfaceKey.
type Interface struct {
	LoadBalancer string // ARN
	Subnet       string
	Groups       []string // that the interface is in
	ID           string
	Addr         netip.Addr
}

// InterfaceKey is the key of the interface of a balancer in a subnet.
func InterfaceKey(lbARN, subnet string) string { return lbARN + "#" + subnet }

// TargetGroup is where requests are sent to. Its key is its ARN.
type TargetGroup struct {
	ARN        string
	Name       string
	Type       string `json:",omitempty"` // instance; "": ip
	Protocol   string `json:",omitempty"` // HTTPS; "": HTTP
	Version    string `json:",omitempty"` // HTTP2, GRPC; "": HTTP1
	Port       int32
	VPC        string
	Check      HealthCheck
	Created    time.Time
	Attributes map[string]string `json:",omitempty"` // those that were set
	Tags       handler.Tags      // empty, but not nil, when it had some
}

// HealthCheck is how the targets of a group are checked.
type HealthCheck struct {
	Protocol           string `json:",omitempty"` // HTTPS; "": HTTP
	Path               string
	Port               string // a number, or traffic-port
	Interval, Timeout  int32  // seconds
	Healthy, Unhealthy int32  // checks in a row
	Matcher            string // status codes: 200, 200,302 or 200-399; of gRPC its codes
}

// Listener is a port that a balancer answers on, over HTTP or HTTPS. Its key is its
// ARN. What it does by default is its default rule.
type Listener struct {
	ARN          string
	LoadBalancer string // ARN
	Port         int32
	DefaultRule  string            // ARN
	TLS          *TLS              `json:",omitempty"` // nil: over HTTP
	Attributes   map[string]string `json:",omitempty"` // those that were set
	Tags         handler.Tags      // empty, but not nil, when it had some
}

// TLS is how a listener speaks over HTTPS.
type TLS struct {
	Policy      string   // the name of its security policy
	Certificate string   // the ARN of the default certificate
	More        []string `json:",omitempty"` // the ARNs of the others, in their order
}

// Certificates returns the ARNs of all of a listener's certificates, each once.
func (l Listener) Certificates() []string {
	if l.TLS == nil {
		return nil
	}
	all := append([]string{l.TLS.Certificate}, l.TLS.More...)
	slices.Sort(all)
	return slices.Compact(all)
}

// Protocol is HTTP or HTTPS.
func (l Listener) Protocol() types.ProtocolEnum {
	if l.TLS != nil {
		return types.ProtocolEnumHttps
	}
	return types.ProtocolEnumHttp
}

// Rule says what becomes of the requests to a listener that meet all of its
// conditions. Its key is its ARN.
type Rule struct {
	ARN          string
	Listener     string // ARN
	LoadBalancer string // ARN
	Priority     int32  // 1 to 50000, the lowest first; 0: the default rule, tried last
	Conditions   []Condition
	Action       Action
	Transforms   []Transform  `json:",omitempty"` // one of a type
	Tags         handler.Tags // empty, but not nil, when it had some
}

// IsDefault says that the rule is its listener's default.
func (r Rule) IsDefault() bool { return r.Priority == 0 }

// Condition is met when one of Values, Regex or Pairs matches.
type Condition struct {
	Field  string
	Header string   `json:",omitempty"` // of an http-header condition
	Values []string `json:",omitempty"`
	Regex  []string `json:",omitempty"`
	Pairs  []Pair   `json:",omitempty"` // of a query-string condition
}

// Pair is a key and a value of a query; nil: any key.
type Pair struct {
	Key   *string `json:",omitempty"`
	Value string
}

// Transform rewrites the host header or the URL of a request.
type Transform struct {
	Type           string // host-header-rewrite, url-rewrite
	Regex, Replace string
}

// Action is what a rule does: one of Forward, Redirect and Fixed is set.
type Action struct {
	Order    *int32    `json:",omitempty"`
	Forward  *Forward  `json:",omitempty"`
	Redirect *Redirect `json:",omitempty"`
	Fixed    *Fixed    `json:",omitempty"`
}

// Forward sends requests to one of several target groups.
type Forward struct {
	Groups   []WeightedGroup
	Sticky   bool   `json:",omitempty"` // clients stay with their group
	Duration *int32 `json:",omitempty"` // of stickiness
}

// WeightedGroup is a target group and its share of the requests.
type WeightedGroup struct {
	ARN    string
	Weight int32
}

// Redirect sends clients elsewhere. Its parts may have keywords: #{host}.
type Redirect struct {
	Status                            string // HTTP_301, HTTP_302
	Protocol, Host, Port, Path, Query string
}

// Fixed is an answer.
type Fixed struct {
	Status      string
	ContentType string
	Body        string
}

// Target is an address that a group's requests may go to. It is there until it
// is drained. Its key is TargetKey.
type Target struct {
	Group          string // ARN
	Addr           string
	Port           int32
	Zone           string `json:",omitempty"`
	RegisteredAt   time.Time
	DeregisteredAt time.Time `json:",omitzero"` // zero: it is wanted
}

// TargetHealth is what the data plane found out about a target, in the API's
// words. It is written by elbv2/health only. Its key is TargetKey.
type TargetHealth struct {
	Group       string // ARN
	Addr        string
	Port        int32
	State       string // initial, healthy, unhealthy, draining, unused
	Reason      string
	Description string
	Since       time.Time
	Anomalous   bool `json:",omitempty"` // it fails more often than the others
	Mitigated   bool `json:",omitempty"` // it gets fewer requests therefore
	Seen        Seen `json:",omitzero"`  // by the check that was the last to fail
}

// Seen is what came of one health check, for whoever asks why it failed.
type Seen struct {
	At       time.Time
	Asked    string        // where, and for what: http://10.0.0.9:8080/health
	Took     time.Duration // until the answer, or until it was given up
	Status   string        `json:",omitempty"` // of the answer: 302 Found; "": none came
	Location string        `json:",omitempty"` // where the answer leads to
	Body     string        `json:",omitempty"` // how the answer begins
	Error    string        `json:",omitempty"` // why no answer came: connection refused
}

// TargetType is what the targets of the group are.
func (g TargetGroup) TargetType() types.TargetTypeEnum {
	return cmp.Or(types.TargetTypeEnum(g.Type), types.TargetTypeEnumIp)
}

// The versions of HTTP that targets speak besides HTTP1.
const (
	VersionHTTP2 = "HTTP2"
	VersionGRPC  = "GRPC"
)

// Secured tells whether requests go to the targets over HTTPS.
func (g TargetGroup) Secured() bool { return g.Protocol == string(types.ProtocolEnumHttps) }

// TargetKey is the key of a target, and of its health.
func TargetKey(group, addr string, port int32) string {
	return fmt.Sprintf("%s#%s:%d", group, addr, port)
}

// The tables.
var (
	LoadBalancers = store.NewTable("elbv2-loadbalancer",
		store.Index[LoadBalancer]{Name: "name", Values: func(l LoadBalancer) []string { return []string{l.Name} }}).Version(2, handler.TagsAsMap)
	Interfaces   = store.NewTable[Interface]("elbv2-interface")
	TargetGroups = store.NewTable("elbv2-targetgroup",
		store.Index[TargetGroup]{Name: "name", Values: func(g TargetGroup) []string { return []string{g.Name} }}).Version(2, handler.TagsAsMap)
	Listeners = store.NewTable("elbv2-listener",
		store.Index[Listener]{Name: "loadbalancer", Values: func(l Listener) []string { return []string{l.LoadBalancer} }},
		store.Index[Listener]{Name: "certificate", Values: Listener.Certificates}).Version(2, handler.TagsAsMap)
	Rules = store.NewTable("elbv2-rule",
		store.Index[Rule]{Name: "listener", Values: func(r Rule) []string { return []string{r.Listener} }},
		store.Index[Rule]{Name: "loadbalancer", Values: func(r Rule) []string { return []string{r.LoadBalancer} }},
		store.Index[Rule]{Name: "group", Values: func(r Rule) []string { return r.Action.Groups() }}).Version(2, handler.TagsAsMap)
	Targets = store.NewTable[Target]("elbv2-target")
	Healths = store.NewTable[TargetHealth]("elbv2-health")
)

// Groups returns the ARNs of the target groups that a sends requests to.
func (a Action) Groups() []string {
	if a.Forward == nil {
		return nil
	}
	arns := make([]string, len(a.Forward.Groups))
	for i, g := range a.Forward.Groups {
		arns[i] = g.ARN
	}
	return arns
}

// Tables are all that the service keeps records in.
func Tables() []store.Schema {
	return []store.Schema{
		LoadBalancers, Interfaces, TargetGroups, Listeners, Rules, Targets, Healths,
	}
}

// The states of targets, in the API's words.
const (
	StateInitial   = string(types.TargetHealthStateEnumInitial)
	StateHealthy   = string(types.TargetHealthStateEnumHealthy)
	StateUnhealthy = string(types.TargetHealthStateEnumUnhealthy)
	StateDraining  = string(types.TargetHealthStateEnumDraining)
	StateUnused    = string(types.TargetHealthStateEnumUnused)
)
