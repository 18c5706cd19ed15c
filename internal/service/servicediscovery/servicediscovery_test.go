package servicediscovery

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/servicediscovery"
	"github.com/aws/aws-sdk-go-v2/service/servicediscovery/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/service/servicediscovery/record"
	"github.com/skylift/skylift/internal/service/servicediscovery/scope"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
	"github.com/skylift/skylift/internal/wire"
)

// route53 is a hosted zone in memory: what sets there are, by what names them.
type route53 struct {
	refuse error
	made   []scope.Zone
	sets   map[string]record.Set
	checks map[string]bool // by ids: well
}

func nameOf(s record.Set) string { return s.Name + " " + s.Type + " " + s.ID }

func (r *route53) Create(_ store.Tx, z scope.Zone) (string, error) {
	r.made = append(r.made, z)
	return "Z1", r.refuse
}

func (r *route53) Update(_ store.Tx, _ string, z scope.Zone) error {
	r.made = append(r.made, z)
	return nil
}
func (r *route53) Told(store.Tx, string) (bool, error) { return true, nil }
func (r *route53) Delete(store.Tx, string) error       { r.made = nil; return nil }
func (r *route53) Replace(_ store.Tx, _ string, was, is []record.Set) error {
	for _, s := range was {
		delete(r.sets, nameOf(s))
	}
	for _, s := range is {
		r.sets[nameOf(s)] = s
	}
	return nil
}

func (r *route53) Watch(_ store.Tx, addr string, _ int32, _ types.HealthCheckConfig) (string, error) {
	r.checks["check-"+addr] = true
	return "check-" + addr, nil
}
func (r *route53) Unwatch(_ store.Tx, check string) error { delete(r.checks, check); return nil }
func (r *route53) Well(store.Tx) (map[string]bool, error) { return r.checks, nil }
func (r *route53) CheckVPC(context.Context, string) error { return nil }
func (r *route53) values(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	for _, name := range slices.Sorted(maps.Keys(r.sets)) {
		got = append(got, strings.TrimSpace(name)+" = "+strings.Join(r.sets[name].Values, ","))
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the zone has\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// world is the API with a Route 53 in memory.
type world struct {
	*testing.T
	*API
	route53 *route53
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db := memstore.New()
	t.Cleanup(func() { db.Close() })
	r := &route53{sets: map[string]record.Set{}, checks: map[string]bool{}}
	return &world{t, New(&scope.Scope{DB: db, NS: arn.Namespace{Region: "us-west-2", Account: "123456789012"}, Network: r, Zones: r}), r}
}

func (w *world) fails(what string, err error, code, words string) {
	w.Helper()
	e, is := errors.AsType[smithy.APIError](err)
	if !is || e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), words) {
		w.Errorf("%s: got %v, want %s: %s", what, err, code, words)
	}
}

// private makes a private namespace and returns its id.
func (w *world) private(name string) string {
	w.Helper()
	out, err := w.CreatePrivateDnsNamespace(w.Context(), &sdk.CreatePrivateDnsNamespaceInput{Name: &name, Vpc: new("vpc-1")})
	if err != nil {
		w.Fatal(err)
	}
	o := w.operation(*out.OperationId)
	if o.Status != types.OperationStatusSuccess {
		w.Fatalf("the namespace is %s: %s", o.Status, aws.ToString(o.ErrorMessage))
	}
	return o.Targets[string(types.OperationTargetTypeNamespace)]
}

func (w *world) operation(id string) *types.Operation {
	w.Helper()
	out, err := w.GetOperation(w.Context(), &sdk.GetOperationInput{OperationId: &id})
	if err != nil {
		w.Fatal(err)
	}
	return out.Operation
}

func (w *world) service(in *sdk.CreateServiceInput) string {
	w.Helper()
	if faults := serviceFaults(in); len(faults) > 0 {
		w.Fatal(faults)
	}
	out, err := w.CreateService(w.Context(), in)
	if err != nil {
		w.Fatal(err)
	}
	return *out.Service.Id
}

func (w *world) register(service, id string, attributes map[string]string) {
	w.Helper()
	if _, err := w.instances.RegisterInstance(w.Context(), &sdk.RegisterInstanceInput{ServiceId: &service, InstanceId: &id, Attributes: attributes}); err != nil {
		w.Fatal(err)
	}
}

// found are the ids that DiscoverInstances finds.
func (w *world) found(in *sdk.DiscoverInstancesInput) string {
	w.Helper()
	out, err := w.instances.DiscoverInstances(w.Context(), in)
	if err != nil {
		w.Fatal(err)
	}
	var ids []string
	for _, i := range out.Instances {
		ids = append(ids, *i.InstanceId)
	}
	return strings.Join(ids, " ")
}

func records(kinds ...types.RecordType) *types.DnsConfig {
	d := &types.DnsConfig{}
	for _, k := range kinds {
		d.DnsRecords = append(d.DnsRecords, types.DnsRecord{Type: k, TTL: new(int64(10))})
	}
	return d
}

// TestDeclarations: what operations declare is what AWS's model and reference have.
func TestDeclarations(t *testing.T) {
	t.Parallel()
	if _, err := wire.NewService("servicediscovery", newWorld(t).Operations()...); err != nil {
		t.Error(err)
	}
}

// TestNames: instances have names while they are registered, those that are ill only when all are.
func TestNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ns := w.private("svc.local")
	if z := w.route53.made[0]; z.Name != "svc.local" || z.VPC != "vpc-1" || z.TTL != 15 || z.Owner != "arn:aws:servicediscovery:us-west-2:123456789012:namespace/"+ns {
		t.Errorf("the zone is %+v", z)
	}
	api := w.service(&sdk.CreateServiceInput{Name: new("api"), NamespaceId: &ns, DnsConfig: records(types.RecordTypeA), HealthCheckCustomConfig: &types.HealthCheckCustomConfig{}})
	w.register(api, "one", map[string]string{record.IPv4: "10.0.0.1", "colour": "blue"})
	w.register(api, "two", map[string]string{record.IPv4: "10.0.0.2"})
	w.route53.values(t, "api.svc.local A one = 10.0.0.1", "api.svc.local A two = 10.0.0.2")
	ill := func(id string, status types.CustomHealthStatus) {
		t.Helper()
		if _, err := w.instances.UpdateInstanceCustomHealthStatus(t.Context(), &sdk.UpdateInstanceCustomHealthStatusInput{ServiceId: &api, InstanceId: &id, Status: status}); err != nil {
			t.Fatal(err)
		}
	}
	ill("one", types.CustomHealthStatusUnhealthy)
	w.route53.values(t, "api.svc.local A two = 10.0.0.2")
	look := &sdk.DiscoverInstancesInput{NamespaceName: new("svc.local"), ServiceName: new("api")}
	if got := w.found(look); got != "two" {
		t.Errorf("found %s, want two: one is ill", got)
	}
	look.HealthStatus = types.HealthStatusFilterUnhealthy
	if got := w.found(look); got != "one" {
		t.Errorf("those that are ill: %s", got)
	}
	look.HealthStatus, look.QueryParameters = types.HealthStatusFilterAll, map[string]string{"colour": "blue"}
	if got := w.found(look); got != "one" {
		t.Errorf("the blue one is %s", got)
	}
	look.QueryParameters, look.OptionalParameters = nil, map[string]string{"colour": "red"}
	if got := w.found(look); got != "one two" {
		t.Errorf("nobody is red, so all: %s", got)
	}
	ill("two", types.CustomHealthStatusUnhealthy)
	w.route53.values(t, "api.svc.local A one = 10.0.0.1", "api.svc.local A two = 10.0.0.2")

	w.fails("a service with instances", deleteService(w, api), "ResourceInUse", "2")
	for _, id := range []string{"one", "two"} {
		if _, err := w.instances.DeregisterInstance(t.Context(), &sdk.DeregisterInstanceInput{ServiceId: &api, InstanceId: &id}); err != nil {
			t.Fatal(err)
		}
	}
	w.route53.values(t)
	_, err := w.DeleteNamespace(t.Context(), &sdk.DeleteNamespaceInput{Id: &ns})
	w.fails("a namespace with services", err, "ResourceInUse", "1 services")
	if err := deleteService(w, api); err != nil {
		t.Error(err)
	}
	if _, err := w.DeleteNamespace(t.Context(), &sdk.DeleteNamespaceInput{Id: new(w.ARN(scope.NamespaceKind, ns))}); err != nil {
		t.Error(err)
	}
}

func deleteService(w *world, id string) error {
	_, err := w.DeleteService(w.Context(), &sdk.DeleteServiceInput{Id: &id})
	return err
}

// TestSRV: an SRV record leads to a name of the instance, which has an address.
func TestSRV(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ns := w.private("svc.local")
	db := w.service(&sdk.CreateServiceInput{Name: new("_db._tcp"), NamespaceId: &ns, DnsConfig: records(types.RecordTypeSrv)})
	w.register(db, "i-1", map[string]string{record.IPv4: "10.0.0.1", record.Port: "5432"})
	w.route53.values(t, "_db._tcp.svc.local SRV i-1 = 1 1 5432 i-1._db._tcp.svc.local", "i-1._db._tcp.svc.local A = 10.0.0.1")
	_, err := w.instances.RegisterInstance(t.Context(), &sdk.RegisterInstanceInput{ServiceId: &db, InstanceId: new("i-2"), Attributes: map[string]string{record.IPv4: "10.0.0.2"}})
	w.fails("no port", err, "InvalidInput", record.Port)
	change := &types.ServiceChange{DnsConfig: &types.DnsConfigChange{DnsRecords: []types.DnsRecord{{Type: types.RecordTypeSrv, TTL: new(int64(60))}}}}
	if _, err := w.UpdateService(t.Context(), &sdk.UpdateServiceInput{Id: &db, Service: change}); err != nil {
		t.Fatal(err)
	}
	if ttl := w.route53.sets["i-1._db._tcp.svc.local A "].TTL; ttl != 60 {
		t.Errorf("after the change of its TTL it is %d", ttl)
	}
	change.DnsConfig.DnsRecords[0].Type = types.RecordTypeA
	_, err = w.UpdateService(t.Context(), &sdk.UpdateServiceInput{Id: &db, Service: change})
	w.fails("another type", err, "InvalidInput", "types")
}

// TestChecked: Route 53 looks at the instances of a public namespace's services, anew when their address is another.
func TestChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	out, err := w.CreatePublicDnsNamespace(t.Context(), &sdk.CreatePublicDnsNamespaceInput{Name: new("example.test")})
	if err != nil {
		t.Fatal(err)
	}
	ns := w.operation(*out.OperationId).Targets["NAMESPACE"]
	web := w.service(&sdk.CreateServiceInput{Name: new("web"), NamespaceId: &ns, DnsConfig: records(types.RecordTypeA), HealthCheckConfig: &types.HealthCheckConfig{Type: types.HealthCheckTypeHttp}})
	w.register(web, "a", map[string]string{record.IPv4: "10.0.0.1"})
	if got := w.route53.sets["web.example.test A a"].Check; got != "check-10.0.0.1" {
		t.Errorf("the set's health check is %q", got)
	}
	w.register(web, "a", map[string]string{record.IPv4: "10.0.0.2"})
	if got := slices.Collect(maps.Keys(w.route53.checks)); !slices.Equal(got, []string{"check-10.0.0.2"}) {
		t.Errorf("after a change of the address the checks are %v", got)
	}
	w.route53.checks["check-10.0.0.2"] = false
	look := &sdk.DiscoverInstancesInput{NamespaceName: new("example.test"), ServiceName: new("web"), HealthStatus: types.HealthStatusFilterHealthy}
	if got := w.found(look); got != "" {
		t.Errorf("healthy ones: %s", got)
	}
	if _, err := w.UpdateService(t.Context(), &sdk.UpdateServiceInput{Id: &web, Service: &types.ServiceChange{DnsConfig: &types.DnsConfigChange{DnsRecords: records(types.RecordTypeA).DnsRecords}}}); err != nil {
		t.Fatal(err)
	}
	if len(w.route53.checks) != 0 || w.route53.sets["web.example.test A a"].Check != "" {
		t.Errorf("a change without a health check leaves %v", w.route53.checks)
	}
}

// TestRefused: what can't be made, and why.
func TestRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ns := w.private("svc.local")
	_, err := w.CreateHttpNamespace(t.Context(), &sdk.CreateHttpNamespaceInput{Name: new("svc.local")})
	w.fails("a name again", err, "NamespaceAlreadyExists", "svc.local")
	_, err = w.CreateService(t.Context(), &sdk.CreateServiceInput{Name: new("a"), NamespaceId: &ns, HealthCheckConfig: &types.HealthCheckConfig{Type: types.HealthCheckTypeTcp}})
	w.fails("a health check in a private namespace", err, "InvalidInput", "private")
	w.service(&sdk.CreateServiceInput{Name: new("a"), NamespaceId: &ns, CreatorRequestId: new("1")})
	if _, err := w.CreateService(t.Context(), &sdk.CreateServiceInput{Name: new("a"), NamespaceId: &ns, CreatorRequestId: new("1")}); err != nil {
		t.Errorf("the same request again: %v", err)
	}
	_, err = w.CreateService(t.Context(), &sdk.CreateServiceInput{Name: new("A"), NamespaceId: &ns})
	w.fails("a service's name again", err, "ServiceAlreadyExists", "A")
	for name, in := range map[string]*sdk.CreateServiceInput{
		"CNAME": {Name: new("x"), NamespaceId: &ns, DnsConfig: records(types.RecordTypeCname)},
		"SRV":   {Name: new("x"), NamespaceId: &ns, DnsConfig: records(types.RecordTypeSrv, types.RecordTypeA)},
		"both":  {Name: new("x"), NamespaceId: &ns, HealthCheckConfig: &types.HealthCheckConfig{Type: types.HealthCheckTypeTcp}, HealthCheckCustomConfig: &types.HealthCheckCustomConfig{}},
		"name":  {Name: new("-x"), NamespaceId: &ns},
		"HTTP":  {Name: new("x"), NamespaceId: &ns, Type: types.ServiceTypeOptionHttp, DnsConfig: records(types.RecordTypeA)},
	} {
		if len(serviceFaults(in)) != 1 {
			t.Errorf("%s: faults are %v", name, serviceFaults(in))
		}
	}
	w.route53.refuse = awserr.New("ConflictingDomainExists", "The VPC has such a zone.")
	out, err := w.CreatePublicDnsNamespace(t.Context(), &sdk.CreatePublicDnsNamespaceInput{Name: new("other.test")})
	if err != nil {
		t.Fatal(err)
	}
	if o := w.operation(*out.OperationId); o.Status != types.OperationStatusFail || *o.ErrorCode != "CANNOT_CREATE_HOSTED_ZONE" || !strings.Contains(*o.ErrorMessage, "ConflictingDomainExists") {
		t.Errorf("a zone that can't be: %s %s", o.Status, aws.ToString(o.ErrorMessage))
	}
	list, err := w.ListNamespaces(t.Context(), &sdk.ListNamespacesInput{Filters: []types.NamespaceFilter{{Name: types.NamespaceFilterNameType, Values: []string{"DNS_PUBLIC", "DNS_PRIVATE"}, Condition: types.FilterConditionIn}}})
	if err != nil || len(list.Namespaces) != 1 || *list.Namespaces[0].ServiceCount != 1 {
		t.Errorf("the list is %+v, %v", list, err)
	}
}
