package wire

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/smithy-go"
)

// request makes a request to s: what follows an operation's name is its body.
func requestOf(s *Service, operation, body string) (*http.Request, []byte) {
	if s.faces[0].protocol != AWSJSON11 {
		body = "Action=" + operation + "&Version=" + s.desc.Version + "&" + body
	}
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", s.desc.Target+"."+operation)
	return r, []byte(body)
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	services := map[string]*Service{}
	for name, ops := range operations(nil) {
		services[name] = service(t, name, ops)
	}
	for _, tc := range []struct{ service, operation, body, code, message string }{
		// required
		{
			"ecs", "RegisterTaskDefinition", `{"family":"web"}`, "InvalidParameterException",
			"1 validation error detected: Value null at 'containerDefinitions' failed to satisfy constraint: Member must not be null",
		},
		{
			"ecs", "RegisterTaskDefinition", `{"family":null,"containerDefinitions":null}`, "InvalidParameterException",
			"2 validation errors detected: Value null at 'containerDefinitions' failed to satisfy constraint: Member must not be null; " +
				"Value null at 'family' failed to satisfy constraint: Member must not be null",
		},
		{
			"logs", "PutLogEvents", `{"logGroupName":"g","logStreamName":"s","logEvents":[{"message":"m"}]}`, "InvalidParameterException",
			"1 validation error detected: Value null at 'logEvents.1.member.timestamp' failed to satisfy constraint: Member must not be null",
		},
		{
			"ecr", "CreateRepository", `{}`, "InvalidParameterException",
			"Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must not be null'",
		},
		{
			"elasticloadbalancing", "CreateTargetGroup", ``, "ValidationError",
			"1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null",
		},
		{"ec2", "CreateSecurityGroup", `GroupName=a`, "MissingParameter", "The request must contain the parameter GroupDescription"},

		// a required number or flag of the SDK that is no pointer
		{
			"ecs", "CreateService", `{"serviceName":"s","deploymentConfiguration":{"deploymentCircuitBreaker":{"enable":false}}}`, "InvalidParameterException",
			"1 validation error detected: Value null at 'deploymentConfiguration.deploymentCircuitBreaker.rollback' failed to satisfy constraint: Member must not be null",
		},

		// pattern and length
		{
			"ecr", "CreateRepository", `{"repositoryName":"a"}`, "InvalidParameterException",
			"Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must have length greater than or equal to 2'",
		},
		{
			"ecr", "CreateRepository", `{"repositoryName":"Web"}`, "InvalidParameterException",
			`Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must satisfy regular expression '[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*''`,
		},
		{
			"logs", "CreateLogGroup", `{"logGroupName":""}`, "InvalidParameterException",
			`2 validation errors detected: Value '' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+; ` +
				`Value '' at 'logGroupName' failed to satisfy constraint: Member must have length greater than or equal to 1`,
		},
		{
			"logs", "PutLogEvents", `{"logGroupName":"g","logStreamName":"s","logEvents":[]}`, "InvalidParameterException",
			"1 validation error detected: Value '[]' at 'logEvents' failed to satisfy constraint: Member must have length greater than or equal to 1",
		},
		{
			"ecs", "TagResource", `{"resourceArn":"a","tags":[{"key":"ok","value":"tab\t"}]}`, "InvalidParameterException",
			"1 validation error detected: Value 'tab\t' at 'tags.1.member.value' failed to satisfy constraint: " +
				`Member must satisfy regular expression pattern: ([\p{L}\p{Z}\p{N}_.:/=+\-@]*)`,
		},

		// range
		{
			"logs", "DescribeLogGroups", `{"limit":51}`, "InvalidParameterException",
			"1 validation error detected: Value '51' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 50",
		},
		{
			"ec2", "DescribeVpcs", `MaxResults=4`, "InvalidParameterValue",
			"Value (4) for parameter MaxResults is invalid. Expecting a value greater than or equal to 5.",
		},
		{
			"elasticloadbalancing", "CreateRule", `ListenerArn=a&Priority=0&Actions.member.1.Type=forward&Conditions.member.1.Field=x`, "ValidationError",
			"1 validation error detected: Value '0' at 'priority' failed to satisfy constraint: Member must have value greater than or equal to 1",
		},

		// enum
		{
			"ecs", "RunTask", `{"taskDefinition":"web","launchType":"MOON"}`, "InvalidParameterException",
			"1 validation error detected: Value 'MOON' at 'launchType' failed to satisfy constraint: Member must satisfy enum value set: [EC2, FARGATE, EXTERNAL, MANAGED_INSTANCES]",
		},

		// secrets are not shown
		{
			"ecs", "RegisterTaskDefinition", `{"family":"f","containerDefinitions":[{"environment":{"PASSWORD":"hunter2"}}]}`, "SerializationException",
			"Value '*****' at 'containerDefinitions.1.member.environment' is not a list.",
		},

		// unknown
		{"ecs", "CreateCluster", `{"clusterNam":"a"}`, "InvalidParameterException", "Unknown parameter: 'clusterNam'"},
		{"ecs", "CreateCluster", `{"ClusterName":"a","tags":[{"k":"a"}]}`, "InvalidParameterException", "Unknown parameter: 'ClusterName', 'tags.1.member.k'"},
		{"ecr", "ListImages", `{"repositoryName":"ab","x":null}`, "InvalidParameterException", "Unknown parameter: 'x'"},
		{"ec2", "DescribeVpcs", `Filters.1.Name=a`, "UnknownParameter", "The parameter Filters is not recognized"},
		{"ec2", "DescribeVpcs", `Filter.1.Nam=a`, "UnknownParameter", "The parameter Filter.1.Nam is not recognized"},
		{"sts", "GetCallerIdentity", `A=b`, "ValidationError", "Unknown parameter: 'A'"},

		// wrong type
		{"ecs", "CreateService", `{"serviceName":"s","desiredCount":"2"}`, "SerializationException", "Value '2' at 'desiredCount' is not an integer."},
		{"ecs", "CreateService", `{"serviceName":"s","desiredCount":2147483648}`, "SerializationException", "Value '2147483648' at 'desiredCount' is not an integer."},
		{"ecs", "CreateService", `{"serviceName":"s","desiredCount":1.5}`, "SerializationException", "Value '1.5' at 'desiredCount' is not an integer."},
		{"ecs", "DescribeTasks", `{"tasks":["a",null]}`, "SerializationException", "Value 'null' at 'tasks.2.member' is not a string."},
		{"ecs", "DescribeTasks", `{"tasks":"a"}`, "SerializationException", "Value 'a' at 'tasks' is not a list."},
		{"ec2", "DescribeVpcs", `MaxResults=many`, "InvalidParameterValue", "Value (many) for parameter MaxResults is invalid. Expecting an integer."},
		{"ec2", "DescribeVpcs", `VpcId.one=a`, "InvalidParameterValue", "Value ({one=a}) for parameter VpcId is invalid. Expecting a list."},
		{"elasticloadbalancing", "DescribeLoadBalancers", `Names.1=a`, "MalformedInput", "Value '{1=a}' at 'names' is not a list."},

		// malformed
		{"ecs", "CreateCluster", `{`, "SerializationException", "the body is not valid JSON"},
		{"ecs", "CreateCluster", `[]`, "SerializationException", "the body is not a JSON object"},
		{"sts", "GetCallerIdentity", `%zz`, "MalformedQueryString", `the query string is malformed: invalid URL escape "%zz"`},
		{"ec2", "DescribeVpcs", `MaxResults=5&MaxResults=6`, "MalformedQueryString", "the query string is malformed: the parameter MaxResults is there twice"},
		{"ec2", "DescribeVpcs", strings.Repeat("a.", 40) + "=1", "MalformedQueryString", "the query string is malformed: a parameter is nested too deeply"},

		// operations
		{"ecs", "CreateTaskSet", `{}`, "UnknownOperationException", "Skylift does not implement ECS CreateTaskSet yet."},
		{"ec2", "RunInstances", ``, "InvalidAction", "Skylift does not implement EC2 RunInstances yet."},
		{"sts", "MakeTea", ``, "InvalidAction", "STS has no operation MakeTea in version 2011-06-15."},
		{"logs", "", `{}`, "UnknownOperationException", "The request names no operation."},
		{"ec2", "", ``, "MissingAction", "The request names no operation."},
	} {
		r, body := requestOf(services[tc.service], tc.operation, tc.body)
		_, err := services[tc.service].Decode(r, body)
		if name := services[tc.service].OperationName(r, body); name != tc.operation && !strings.HasPrefix(tc.code, "Malformed") {
			t.Errorf("%s %s: the operation's name is %q", tc.service, tc.operation, name)
		}
		api, ok := errors.AsType[smithy.APIError](err)
		if !ok {
			t.Errorf("%s %s %s: error %v, want %s", tc.service, tc.operation, tc.body, err, tc.code)
			continue
		}
		if api.ErrorCode() != tc.code || api.ErrorMessage() != tc.message {
			t.Errorf("%s %s %s:\n got %s: %s\nwant %s: %s", tc.service, tc.operation, tc.body, api.ErrorCode(), api.ErrorMessage(), tc.code, tc.message)
		}
	}
}

func TestDecodeRefusesAnotherVersion(t *testing.T) {
	t.Parallel()
	s := service(t, "elasticloadbalancing", operations(nil)["elasticloadbalancing"])
	r := httptest.NewRequest("POST", "/", nil)
	_, err := s.Decode(r, []byte("Action=DescribeLoadBalancers&Version=2012-06-01"))
	if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != "InvalidAction" {
		t.Errorf("classic load balancers: got %v, want InvalidAction", err)
	}
}
