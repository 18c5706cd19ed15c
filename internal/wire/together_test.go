package wire

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/awserr"
)

func none[I, O any](context.Context, *I) (*O, error) { return new(O), nil }

// TestAllAtOnce sends requests in which several things are wrong: one message says all, and its code is
// that of the first kind.
func TestAllAtOnce(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, service string
		op            Operation
		body          string
		code, message string
	}{
		{
			"every kind", "ecs",
			Op("RegisterTaskDefinition", none[ecs.RegisterTaskDefinitionInput, ecs.RegisterTaskDefinitionOutput]).On("*: *").Lacks("*", "it is for a test").Refuses("ClientException").
				Takes("family containerDefinitions{name} networkMode").
				Checks(func(in *ecs.RegisterTaskDefinitionInput) []error {
					return []error{awserr.New("ClientException", "Family %s is taken.", *in.Family), errors.New("nothing essential")}
				}),
			`{"family":"f","cpus":"1","networkMode":"x","taskRoleArn":"r","containerDefinitions":[{"name":"a","secrets":[]},{"name":"b","secrets":[{"name":"n"}]}]}`,
			"InvalidParameterException",
			"Unknown parameter: 'cpus'. 1 validation error detected: Value 'x' at 'networkMode' failed to satisfy constraint: Member must satisfy enum value set: [bridge, host, awsvpc, none]. " +
				"The parameter 'taskRoleArn' is not supported by Skylift. The parameter 'containerDefinitions.b.secrets' is not supported by Skylift. " +
				"Family f is taken. nothing essential.",
		},
		{
			"unsupported only", "ecs",
			Op("RegisterTaskDefinition", none[ecs.RegisterTaskDefinitionInput, ecs.RegisterTaskDefinitionOutput]).On("*: *").Lacks("*", "it is for a test").Refuses("ClientException").
				Takes("family containerDefinitions{name}"),
			`{"family":"f","containerDefinitions":[],"taskRoleArn":"r"}`,
			"ClientException", "The parameter 'taskRoleArn' is not supported by Skylift.",
		},
		{
			"a check that cannot run", "ecs",
			Op("RegisterTaskDefinition", none[ecs.RegisterTaskDefinitionInput, ecs.RegisterTaskDefinitionOutput]).On("*: *").Lacks("*", "it is for a test").Takes("*").
				Checks(func(in *ecs.RegisterTaskDefinitionInput) []error { return []error{errors.New(*in.Family)} }),
			`{"containerDefinitions":[]}`,
			"InvalidParameterException", "1 validation error detected: Value null at 'family' failed to satisfy constraint: Member must not be null",
		},
		{
			"a check that takes what is incomplete", "ecs",
			Op("RegisterTaskDefinition", none[ecs.RegisterTaskDefinitionInput, ecs.RegisterTaskDefinitionOutput]).On("*: *").Lacks("*", "it is for a test").Takes("*").
				ChecksIncomplete(func(in *ecs.RegisterTaskDefinitionInput) []error { return []error{errors.New(*in.Cpu)} }),
			`{"containerDefinitions":[],"cpu":"7"}`,
			"InvalidParameterException", "1 validation error detected: Value null at 'family' failed to satisfy constraint: Member must not be null. 7.",
		},
		{
			"a check that cannot run with a value of the wrong type", "ecs",
			Op("RegisterTaskDefinition", none[ecs.RegisterTaskDefinitionInput, ecs.RegisterTaskDefinitionOutput]).On("*: *").Lacks("*", "it is for a test").Takes("*").
				ChecksIncomplete(func(in *ecs.RegisterTaskDefinitionInput) []error { return []error{errors.New(*in.Cpu)} }),
			`{"family":"f","containerDefinitions":[],"cpu":7}`,
			"SerializationException", "Value '7' at 'cpu' is not a string.",
		},
		{
			"ECR", "ecr",
			Op("CreateRepository", none[ecr.CreateRepositoryInput, ecr.CreateRepositoryOutput]).On("*: *").Lacks("*", "it is for a test").Takes("repositoryName imageTagMutability"),
			`{"repositoryName":"a","imageTagMutability":"X","registryId":"123456789012"}`,
			"InvalidParameterException",
			"Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must have length greater than or equal to 2'. " +
				"Invalid parameter at 'imageTagMutability' failed to satisfy constraint: 'must satisfy enum value set: [MUTABLE, IMMUTABLE, IMMUTABLE_WITH_EXCLUSION, MUTABLE_WITH_EXCLUSION]'. " +
				"The parameter 'registryId' is not supported by Skylift.",
		},
		{
			"EC2", "ec2",
			Op("CreateSecurityGroup", none[ec2.CreateSecurityGroupInput, ec2.CreateSecurityGroupOutput]).On("*: *").Lacks("*", "it is for a test").Takes("GroupName GroupDescription"),
			`VpcId=vpc-1&Nam=a&DryRun=false`,
			"UnknownParameter",
			"The parameter Nam is not recognized. The request must contain the parameter GroupDescription. The request must contain the parameter GroupName. " +
				"The parameter 'VpcId' is not supported by Skylift.",
		},
	} {
		s, err := NewService(tc.service, tc.op)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		r, body := requestOf(s, tc.op.Name(), tc.body)
		_, err = s.Decode(r, body)
		api, ok := errors.AsType[smithy.APIError](err)
		if !ok || api.ErrorCode() != tc.code || api.ErrorMessage() != tc.message {
			t.Errorf("%s:\n got %v\nwant %s: %s", tc.name, err, tc.code, tc.message)
		}
	}
}

// TestMessagesAreBounded sends what has very much wrong with it.
func TestMessagesAreBounded(t *testing.T) {
	t.Parallel()
	s, err := NewService("ecs", Op("RegisterTaskDefinition", none[ecs.RegisterTaskDefinitionInput, ecs.RegisterTaskDefinitionOutput]).On("*: *").Lacks("*", "it is for a test").
		Takes("family containerDefinitions{name}"))
	if err != nil {
		t.Fatal(err)
	}
	r, body := requestOf(s, "RegisterTaskDefinition", `{"family":"f","containerDefinitions":[`+strings.Repeat(`{"image":"i"},`, 5000)+`{}]}`)
	_, err = s.Decode(r, body)
	if err == nil || len(err.Error()) > 10<<10 || !strings.HasSuffix(err.Error(), " And 4960 more.") {
		t.Errorf("got %d bytes: %.200v", len(err.Error()), err)
	}
}
