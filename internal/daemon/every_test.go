package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/gateway"
	"github.com/skylift/skylift/internal/service/iam"
	"github.com/skylift/skylift/internal/wire/descriptor"
	"github.com/skylift/skylift/internal/wire/onepiece"
)

// sdkOp is an operation as a client of the SDK has it.
type sdkOp struct {
	name   string
	method reflect.Value // not valid: the client hasn't got it
}

// in makes an empty input, a pointer.
func (o sdkOp) in() reflect.Value { return reflect.New(o.method.Type().In(1).Elem()) }

func (o sdkOp) call(ctx context.Context, in reflect.Value) error {
	err, _ := reflect.TypeAssert[error](o.method.Call([]reflect.Value{reflect.ValueOf(ctx), in})[1])
	return err
}

// opened are the operations that policies don't decide about at the front door, and who does.
var opened = map[string]string{
	"sts AssumeRole":                "the role's trust policy, too",
	"sts AssumeRoleWithWebIdentity": "the role's trust policy; nobody signs it",
	"sts GetCallerIdentity":         "anybody may ask who it is",
	"sts GetSessionToken":           "anybody may have a session",
	"s3 DeleteObjects":              "each object is judged apart",
}

// samples are what operations need in their inputs that AWS's models don't say. What a new operation needs so that it isn't refused before
// policy is asked comes here.
var samples = map[string]string{
	"acm RequestCertificate": `{"DomainName":"a.example.com"}`,
	"acm ExportCertificate":  `{"CertificateArn":"arn:aws:acm:us-west-2:123456789012:certificate/01234567-89ab-cdef-0123-456789abcdef","Passphrase":"c2VjcmV0"}`,

	"ec2 AuthorizeSecurityGroupEgress":  `{"GroupId":"sg-0123456789abcdef0","IpPermissions":[{"IpProtocol":"-1","IpRanges":[{"CidrIp":"10.0.0.0/8"}]}]}`,
	"ec2 AuthorizeSecurityGroupIngress": `{"GroupId":"sg-0123456789abcdef0","IpPermissions":[{"IpProtocol":"-1","IpRanges":[{"CidrIp":"10.0.0.0/8"}]}]}`,
	"ec2 CreateDhcpOptions":             `{"DhcpConfigurations":[{"Key":"domain-name","Values":["a.example.com"]}]}`,
	"ec2 CreateManagedPrefixList":       `{"AddressFamily":"IPv4","MaxEntries":5,"PrefixListName":"a"}`,
	"ec2 CreateNatGateway":              `{"SubnetId":"subnet-0123456789abcdef0","AllocationId":"eipalloc-0123456789abcdef0"}`,
	"ec2 CreateNetworkAclEntry":         `{"NetworkAclId":"acl-0123456789abcdef0","CidrBlock":"10.0.0.0/8","Egress":true,"Protocol":"-1","RuleAction":"allow","RuleNumber":100}`,
	"ec2 CreateRoute":                   `{"RouteTableId":"rtb-0123456789abcdef0","DestinationCidrBlock":"10.0.0.0/8","GatewayId":"igw-0123456789abcdef0"}`,
	"ec2 CreateSubnet":                  `{"VpcId":"vpc-0123456789abcdef0","CidrBlock":"10.0.0.0/24"}`,
	"ec2 CreateVpc":                     `{"CidrBlock":"10.0.0.0/16"}`,
	"ec2 CreateVpcEndpoint":             `{"VpcId":"vpc-0123456789abcdef0","ServiceName":"com.amazonaws.us-west-2.s3"}`,
	"ec2 CreateVpcPeeringConnection":    `{"VpcId":"vpc-0123456789abcdef0","PeerVpcId":"vpc-0123456789abcdef1"}`,
	"ec2 DeleteNetworkAclEntry":         `{"NetworkAclId":"acl-0123456789abcdef0","Egress":true,"RuleNumber":100}`,
	"ec2 DeleteRoute":                   `{"RouteTableId":"rtb-0123456789abcdef0","DestinationCidrBlock":"10.0.0.0/8"}`,
	"ec2 ReplaceNetworkAclEntry":        `{"NetworkAclId":"acl-0123456789abcdef0","CidrBlock":"10.0.0.0/8","Egress":true,"Protocol":"-1","RuleAction":"allow","RuleNumber":100}`,
	"ec2 ReplaceRoute":                  `{"RouteTableId":"rtb-0123456789abcdef0","DestinationCidrBlock":"10.0.0.0/8","GatewayId":"igw-0123456789abcdef0"}`,
	"ec2 CreateTags":                    `{"Tags":[{"Key":"a","Value":"b"}]}`,
	"ec2 RevokeSecurityGroupEgress":     `{"GroupId":"sg-0123456789abcdef0","SecurityGroupRuleIds":["sgr-0123456789abcdef0"]}`,
	"ec2 RevokeSecurityGroupIngress":    `{"GroupId":"sg-0123456789abcdef0","SecurityGroupRuleIds":["sgr-0123456789abcdef0"]}`,

	"ecr CreatePullThroughCacheRule": `{"UpstreamRegistryUrl":"quay.io"}`,
	"ecr UpdatePullThroughCacheRule": `{"CredentialArn":"arn:aws:secretsmanager:us-west-2:123456789012:secret:ecr-pullthroughcache/login-abcdef"}`,
	"ecr PutImage":                   `{"ImageManifest":"{\"schemaVersion\":2}","ImageManifestMediaType":"application/vnd.oci.image.manifest.v1+json"}`,
	"ecr PutLifecyclePolicy":         `{"LifecyclePolicyText":"{\"rules\":[{\"rulePriority\":1,\"selection\":{\"tagStatus\":\"any\",\"countType\":\"imageCountMoreThan\",\"countNumber\":1},\"action\":{\"type\":\"expire\"}}]}"}`,
	"ecr PutRegistryPolicy":          `{"PolicyText":"{\"Version\":\"2012-10-17\",\"Statement\":{\"Sid\":\"a\",\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::123456789012:root\"},\"Action\":\"ecr:CreateRepository\",\"Resource\":\"arn:aws:ecr:us-west-2:123456789012:repository/*\"}}"}`,
	"ecr SetRepositoryPolicy":        `{"PolicyText":"{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"ecr:*\"}}"}`,

	"ecs CreateService":          `{"TaskDefinition":"web","DesiredCount":1}`,
	"ecs RegisterTaskDefinition": `{"Cpu":"256","Memory":"512","NetworkMode":"awsvpc","ContainerDefinitions":[{"Name":"a","Image":"a"}]}`,

	"elasticfilesystem PutFileSystemPolicy": `{"FileSystemId":"fs-0123456789abcdef0","Policy":"{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"*\"},\"Action\":\"elasticfilesystem:ClientMount\"}}"}`,

	"elasticloadbalancing AddListenerCertificates":      `{"ListenerArn":"` + aListener + `","Certificates":[{"CertificateArn":"arn:aws:acm:us-west-2:123456789012:certificate/x"}]}`,
	"elasticloadbalancing RemoveListenerCertificates":   `{"ListenerArn":"` + aListener + `","Certificates":[{"CertificateArn":"arn:aws:acm:us-west-2:123456789012:certificate/x"}]}`,
	"elasticloadbalancing CreateListener":               `{"LoadBalancerArn":"` + aBalancer + `","Protocol":"HTTP","Port":65000,"DefaultActions":[{"Type":"forward","TargetGroupArn":"` + aGroup + `"}]}`,
	"elasticloadbalancing CreateLoadBalancer":           `{"Name":"x","Subnets":["subnet-0123456789abcdef0","subnet-0123456789abcdef1"]}`,
	"elasticloadbalancing CreateRule":                   `{"ListenerArn":"` + aListener + `","Conditions":[{"Field":"path-pattern","Values":["/"]}],"Actions":[{"Type":"forward","TargetGroupArn":"` + aGroup + `"}]}`,
	"elasticloadbalancing CreateTargetGroup":            `{"TargetType":"ip","Protocol":"HTTP","Port":80,"VpcId":"vpc-0123456789abcdef0"}`,
	"elasticloadbalancing DeregisterTargets":            `{"TargetGroupArn":"` + aGroup + `","Targets":[{"Id":"10.0.0.1"}]}`,
	"elasticloadbalancing ModifyListenerAttributes":     `{"ListenerArn":"` + aListener + `","Attributes":[{"Key":"routing.http.response.server.enabled","Value":"false"}]}`,
	"elasticloadbalancing ModifyLoadBalancerAttributes": `{"LoadBalancerArn":"` + aBalancer + `","Attributes":[{"Key":"idle_timeout.timeout_seconds","Value":"60"}]}`,
	"elasticloadbalancing ModifyRule":                   `{"Conditions":[{"Field":"path-pattern","Values":["/"]}]}`,
	"elasticloadbalancing ModifyTargetGroupAttributes":  `{"TargetGroupArn":"` + aGroup + `","Attributes":[{"Key":"deregistration_delay.timeout_seconds","Value":"60"}]}`,
	"elasticloadbalancing RegisterTargets":              `{"TargetGroupArn":"` + aGroup + `","Targets":[{"Id":"10.0.0.1"}]}`,
	"elasticloadbalancing SetRulePriorities":            `{"RulePriorities":[{"RuleArn":"` + aRule + `","Priority":1}]}`,
	"elasticloadbalancing SetSubnets":                   `{"LoadBalancerArn":"` + aBalancer + `","Subnets":["subnet-0123456789abcdef0","subnet-0123456789abcdef1"]}`,

	"route53 ChangeResourceRecordSets": `{"ChangeBatch":{"Changes":[{"Action":"CREATE","ResourceRecordSet":{"Name":"a.test","Type":"A","TTL":60,"ResourceRecords":[{"Value":"10.0.0.1"}]}}]}}`,
	"route53 CreateHealthCheck":        `{"HealthCheckConfig":{"Type":"TCP","IPAddress":"10.0.0.1","Port":80}}`,

	"servicediscovery CreateService": `{"NamespaceId":"ns-0000000000000000"}`,

	"s3 CreateBucket":                    `{"Bucket":"xxx","CreateBucketConfiguration":{"LocationConstraint":"us-west-2"}}`,
	"s3 PutBucketCors":                   `{"CORSConfiguration":{"CORSRules":[{"AllowedMethods":["GET"],"AllowedOrigins":["*"]}]}}`,
	"s3 PutBucketLifecycleConfiguration": `{"LifecycleConfiguration":{"Rules":[{"Status":"Enabled","Filter":{"Prefix":""},"Expiration":{"Days":1}}]}}`,

	"secretsmanager PutResourcePolicy": `{"ResourcePolicy":"{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"secretsmanager:*\",\"Resource\":\"*\"}}"}`,
	"secretsmanager PutSecretValue":    `{"SecretString":"x"}`,
	"ssm GetParametersByPath":          `{"Path":"/"}`,
}

// What samples name of the load balancers: none of it is there.
const (
	aBalancer = "arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/app/x/0123456789abcdef"
	aGroup    = "arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/x/0123456789abcdef"
	aListener = "arn:aws:elasticloadbalancing:us-west-2:123456789012:listener/app/x/0123456789abcdef/0123456789abcdef"
	aRule     = "arn:aws:elasticloadbalancing:us-west-2:123456789012:listener-rule/app/x/0123456789abcdef/0123456789abcdef/0123456789abcdef"
)

// judged hands on the calls' audit lines.
type judged struct {
	slog.Handler
	lines chan auditLine
}

type auditLine struct{ service, action, judged, code string }

func (j judged) Enabled(context.Context, slog.Level) bool { return true }

func (j judged) Handle(_ context.Context, r slog.Record) error {
	if r.Message != "call" {
		return nil
	}
	var l auditLine
	into := map[string]*string{"service": &l.service, "action": &l.action, "judged": &l.judged, "code": &l.code}
	r.Attrs(func(a slog.Attr) bool {
		if s := into[a.Key]; s != nil {
			*s = a.Value.String()
		}
		return true
	})
	j.lines <- l
	return nil
}

// every calls each operation of each service as a user.
type every struct {
	*front
	lines chan auditLine
}

// may lets the user do what a statement says; "" is nothing.
func (e *every) may(t *testing.T, element string, actions []string) {
	t.Helper()
	list, err := json.Marshal(actions)
	if err != nil {
		t.Fatal(err)
	}
	text := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","` + element + `":` + string(list) + `,"Resource":"*"}}`
	ok(e.parts["iam"].api.(*iam.API).PutUserPolicy(t.Context(), &sdkiam.PutUserPolicyInput{UserName: new("ada"), PolicyName: new("p"), PolicyDocument: &text}))(t)
}

// do makes a call with a fresh input, and returns its audit line and its error.
func (e *every) do(t *testing.T, s sampler, op sdkOp) (auditLine, error) {
	t.Helper()
	in := op.in()
	if err := s.input(op.name, in, samples[s.desc.SigningName+" "+op.name]); err != nil {
		t.Fatalf("make an input: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- op.call(ctx, in) }()
	select {
	case err := <-done:
		if _, answered := errors.AsType[*awshttp.ResponseError](err); err != nil && !answered {
			t.Fatalf("the client didn't send it: %v", err)
		}
		return <-e.lines, err
	case <-ctx.Done():
		t.Fatal("no answer")
	}
	return auditLine{}, nil
}

// deniedAs is the code and the status of a call that policy denies, by the protocol.
func deniedAs(protocol string) (code string, status int) {
	switch protocol {
	case "awsquery", "restxml":
		return "AccessDenied", http.StatusForbidden
	case "ec2query":
		return "UnauthorizedOperation", http.StatusForbidden
	case "restjson":
		return "AccessDeniedException", http.StatusForbidden
	}
	return "AccessDeniedException", http.StatusBadRequest
}

// isDenied says whether an error is what policy's denial is in the protocol of the service.
func isDenied(d *descriptor.Service, err error) bool {
	api, _ := errors.AsType[smithy.APIError](err)
	answer, _ := errors.AsType[*awshttp.ResponseError](err)
	if api == nil || answer == nil {
		return false
	}
	code, status := deniedAs(d.Protocols[0])
	headless := api.ErrorCode() == "Forbidden" && d.SigningName == "s3" // the answer to HEAD has no body
	return answer.HTTPStatusCode() == status && (api.ErrorCode() == code || headless)
}

// TestEveryOperationIsJudged goes over all operations of all services. A user who may do nothing is refused each, in the form of the service's
// protocol; one who may do everything else is refused it, too; and one who may do just that gets through to the handler, which may say
// anything but that access is denied.
func TestEveryOperationIsJudged(t *testing.T) {
	t.Parallel()
	e := &every{lines: make(chan auditLine, 1)}
	e.front = newFront(t, func(c *gateway.Config) { c.Log = slog.New(judged{slog.DiscardHandler, e.lines}) })
	iamAPI := e.parts["iam"].api.(*iam.API)
	ok(iamAPI.CreateUser(t.Context(), &sdkiam.CreateUserInput{UserName: new("ada")}))(t)
	key := ok(iamAPI.CreateAccessKey(t.Context(), &sdkiam.CreateAccessKeyInput{UserName: new("ada")}))(t).AccessKey
	cfg := e.as(*key.AccessKeyId, *key.SecretAccessKey, "")
	host := strings.TrimPrefix(e.url, "http://")
	cfg.HTTPClient = onepiece.Client(&http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) { // whatever the SDK puts before the host
		return new(net.Dialer).DialContext(ctx, network, host)
	}})
	cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	clients := sdkClients(cfg)
	for _, p := range e.all {
		desc, err := descriptor.Load(p.name)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range p.operations {
			op := sdkOp{name: o.Name()}
			if client := clients[p.name]; client != nil {
				op.method = reflect.ValueOf(client).MethodByName(o.Name())
			}
			if !op.method.IsValid() {
				t.Errorf("%s %s: no client of the SDK has it: run make generate", p.name, o.Name())
				continue
			}
			t.Run(p.name+"/"+o.Name(), func(t *testing.T) { e.judges(t, sampler{desc}, op) })
		}
	}
}

func (e *every) judges(t *testing.T, s sampler, op sdkOp) {
	name := s.desc.SigningName + " " + op.name
	if slices.ContainsFunc(onPurpose[s.desc.SigningName], func(r reason) bool { return slices.Contains(r.ops, op.name) }) {
		return // nobody may, as TestCoveragePage sees
	}
	e.may(t, "Action", []string{"none:none"})
	line, err := e.do(t, s, op)
	if opened[name] != "" {
		if line.judged == "" {
			t.Errorf("it is refused before its handler: %v", err)
		}
		return
	}
	if !isDenied(s.desc, err) {
		t.Fatalf("who may do nothing hears %v; %+v", err, line)
	}
	actions := strings.Fields(line.judged)
	for i, action := range actions {
		e.may(t, "NotAction", []string{action})
		if _, err := e.do(t, s, op); !isDenied(s.desc, err) {
			t.Errorf("who may do all but %s (%d of %v) hears %v", action, i, actions, err)
		}
	}
	e.may(t, "Action", actions)
	if line, err := e.do(t, s, op); isDenied(s.desc, err) || line.judged != strings.Join(actions, " ") {
		t.Errorf("who may do %v is denied: %v; %+v", actions, err, line)
	}
}
