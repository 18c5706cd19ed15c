package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// namespaceMade makes a private namespace, and returns its id.
func (s *stage) namespaceMade(t *testing.T, name string) (id string) {
	t.Helper()
	op := s.aws(t, "servicediscovery", "create-private-dns-namespace", "--name", name, "--vpc", s.vpcID, "--query", "OperationId", "--output", "text")
	got := strings.Fields(s.aws(t, "servicediscovery", "get-operation", "--operation-id", op, "--query", "Operation.[Status,Targets.NAMESPACE]", "--output", "text"))
	if len(got) != 2 || got[0] != "SUCCESS" {
		t.Fatalf("the namespace %s is %v", name, got)
	}
	return got[1]
}

// TestDiscovery: tasks find those of a service by its name, only while these run, through kill -9; and balancers, addresses, private
// zones and what the machine's own resolver knows by the resolver of their VPC.
func TestDiscovery(t *testing.T) {
	t.Parallel()
	need(t)
	in := prepare(t)
	in.serve(t)
	s := &stage{skylift: in}
	s.set(t)
	ns := s.namespaceMade(t, "svc.local")
	registry := s.aws(t, "servicediscovery", "create-service", "--name", "api", "--namespace-id", ns, "--dns-config", "DnsRecords=[{Type=A,TTL=1}]",
		"--health-check-custom-config", "FailureThreshold=1", "--query", "Service.Arn", "--output", "text")
	client := s.groupOf(t, "discovery-client", toProbe())
	server := s.groupOf(t, "discovery-server", toProbe(), fromGroup("tcp", 9001, client))
	def := s.defineProbe(t, "discovery")
	subnets := s.subnets(t)
	must(s.ecs.CreateService(t.Context(), &ecs.CreateServiceInput{
		ServiceName: new("api"), TaskDefinition: &def, DesiredCount: new(int32(2)), ServiceRegistries: []types.ServiceRegistry{{RegistryArn: &registry}},
		NetworkConfiguration: &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: subnets, SecurityGroups: []string{server}}},
	}))(t)
	s.aws(t, "ecs", "wait", "services-stable", "--services", "api")
	_, from := s.serving(t, def, client)
	reach := func(line string) string { return s.knock(t, from, line)[line] }
	const api = "tcp api.svc.local:9001"
	takes(t, slowest, "a task reaches the service by its name", func() bool { return reach(api) == "connected" })

	instances := strings.Fields(s.aws(t, "servicediscovery", "list-instances", "--service-id", registry, "--query", "Instances[].Attributes.AWS_INSTANCE_IPV4", "--output", "text"))
	if len(instances) != 2 {
		t.Errorf("two tasks run, and instances are %v", instances)
	}
	for _, a := range instances {
		name := "tcp ip-" + strings.ReplaceAll(a, ".", "-") + "." + region + ".compute.internal:9001"
		if got := reach(name); got != "connected" {
			t.Errorf("%s: %s", name, got)
		}
	}

	lb := s.groupOf(t, "discovery-lb", fromGroup("tcp", 8391, client))
	f := s.front(t, "discovery", 8391, fixed("200", "in"), lb)
	balancer := fmt.Sprintf("tcp %s:8391", f.host)
	takes(t, slowest, "a task reaches a balancer by its name", func() bool { return reach(balancer) == "connected" })

	zone := s.aws(t, "route53", "create-hosted-zone", "--name", "inside.test", "--caller-reference", "1", "--vpc", "VPCRegion="+region+",VPCId="+s.vpcID, "--query", "HostedZone.Id", "--output", "text")
	change := fmt.Sprintf(`{"Changes":[{"Action":"CREATE","ResourceRecordSet":{"Name":"db.inside.test","Type":"CNAME","TTL":60,"ResourceRecords":[{"Value":"api.svc.local"}]}},
		{"Action":"CREATE","ResourceRecordSet":{"Name":"lb.inside.test","Type":"A","AliasTarget":{"HostedZoneId":"%s","DNSName":"%s","EvaluateTargetHealth":false}}}]}`,
		s.aws(t, "elbv2", "describe-load-balancers", "--names", "discovery", "--query", "LoadBalancers[0].CanonicalHostedZoneId", "--output", "text"), f.host)
	s.aws(t, "route53", "change-resource-record-sets", "--hosted-zone-id", zone, "--change-batch", change)
	takes(t, slowest, "a task reaches a name of a private zone", func() bool { return reach("tcp db.inside.test:9001") == "connected" })
	takes(t, slowest, "a task reaches an alias of a balancer", func() bool { return reach("tcp lb.inside.test:8391") == "connected" })
	if got := reach("tcp none.inside.test:9001"); !strings.Contains(got, "no such host") {
		t.Errorf("a name that a private zone lacks: %s", got)
	}

	s.kill9(t)
	s.restart(t)
	takes(t, slowest, "after kill -9 a task reaches the service by its name", func() bool { return reach(api) == "connected" })
	s.aws(t, "ecs", "update-service", "--service", "api", "--desired-count", "0")
	takes(t, time.Minute, "a service without tasks has no name", func() bool { return strings.Contains(reach(api), "no such host") })
	if code, _ := s.awsErr(t, "servicediscovery", "delete-namespace", "--id", ns); code != "ResourceInUse" {
		t.Errorf("a namespace with a service is deleted: %s", code)
	}
	s.aws(t, "servicediscovery", "delete-service", "--id", registry)
	s.aws(t, "servicediscovery", "delete-namespace", "--id", ns)
	if got := s.aws(t, "route53", "list-hosted-zones-by-vpc", "--vpc-id", s.vpcID, "--vpc-region", region, "--query", "HostedZoneSummaries[].Name", "--output", "text"); got != "inside.test." {
		t.Errorf("the zones that are left are %s", got)
	}
}
