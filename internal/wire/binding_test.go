package wire

import (
	"cmp"
	"reflect"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/wire/bind"
)

// newer is the fields that the SDK has and the API models that we describe do not have yet. A request
// that sets one is refused by name.
var newer = map[string][]string{
	"acm": {
		"CertificateDetail.AcmeAccountId", "CertificateDetail.AcmeEndpointArn", "CertificateDetail.CertificateKeyPairOrigin",
		"CertificateDetail.UpdateSummary", "CertificateOptions.ValidationMethod", "CertificateSummary.CertificateKeyPairOrigin",
		"ListCertificatesInput.CertificateKeyPairOrigins",
	},
	"ec2": {"VpcEndpoint.PayerResponsibilities"},
	"ecs": {
		"Container.GpuSharingStrategy", "Container.NeuronDeviceIds", "ContainerInstance.GpuDevices",
		"CreateServiceInput.GatewayConnectors", "CreateServiceInput.Monitoring",
		"DeploymentCircuitBreaker.ResetOnHealthyTask", "DeploymentCircuitBreaker.ThresholdConfiguration",
		"DeploymentConfiguration.EarlySuccessCriteria", "ECSManagedResources.GatewayConnections",
		"ResolvedConfiguration.VpcLatticeConfigurations", "ResourceRequirement.SharingStrategy",
		"ServiceConnectConfiguration.ContainerConfigurations",
		"ServiceRevision.GatewayConnectors", "ServiceRevision.Monitoring", "ServiceRevision.Overrides",
		"UpdateServiceInput.GatewayConnectors", "UpdateServiceInput.Monitoring",
		"VpcLatticeConfiguration.AdvancedConfiguration",
	},
	"elasticloadbalancing": {"SourceIpConditionConfig.IpAddressType"},
	"iam": {
		"Role.SourceRoleTemplate", "SimulateCustomPolicyInput.OrderedOrganizationPolicyInputList", "SimulatePrincipalPolicyInput.PolicyExclusionList",
	},
	"kms": {
		"CreateGrantInput.GranteeServicePrincipal", "CreateGrantInput.RetiringServicePrincipal", "GetPublicKeyOutput.EncapsulationAlgorithms",
		"GrantConstraints.SourceArn", "GrantListEntry.GranteeServicePrincipal", "GrantListEntry.RetiringServicePrincipal",
		"KeyMetadata.EncapsulationAlgorithms", "ListGrantsInput.GranteeServicePrincipal", "ListRetirableGrantsInput.RetiringServicePrincipal",
	},
	"logs": {"FilterLogEventsInput.StartFromHead", "LogGroup.RetentionPolicyName"},
	"sts": {
		"AssumeRoleInput.MinimumSessionTokenSize", "AssumeRoleOutput.SessionTokenSize", "AssumeRoleOutput.SessionTokenUtilization",
		"AssumeRoleWithWebIdentityInput.MinimumSessionTokenSize", "AssumeRoleWithWebIdentityOutput.SessionTokenSize", "AssumeRoleWithWebIdentityOutput.SessionTokenUtilization",
		"GetFederationTokenInput.MinimumSessionTokenSize", "GetFederationTokenOutput.SessionTokenSize", "GetFederationTokenOutput.SessionTokenUtilization",
		"GetSessionTokenInput.MinimumSessionTokenSize", "GetSessionTokenOutput.SessionTokenSize", "GetSessionTokenOutput.SessionTokenUtilization",
	},
	"tagging": {"ComplianceDetails.MissingTagKeys"},
}

// newerElsewhere is the same for the services that are described for tests only. The SDK fills ExpiresString itself.
var newerElsewhere = map[string][]string{
	"monitoring": {"PutMetricAlarmInput.ActionConfiguration", "PutMetricAlarmInput.EvaluationWindow", "PutMetricAlarmInput.WarmUpConfiguration"},
	"s3": {
		"CopyObjectInput.AnnotationDirective", "CopyObjectInput.ObjectLockEventHold", "CopyObjectInput.ObjectLockEventHoldDurationDays",
		"CopyObjectInput.ObjectLockEventHoldDurationYears", "CreateMultipartUploadInput.ObjectLockEventHold",
		"CreateMultipartUploadInput.ObjectLockEventHoldDurationDays", "CreateMultipartUploadInput.ObjectLockEventHoldDurationYears",
		"DefaultRetention.DefaultEventHold", "GetObjectOutput.ExpiresString", "GetObjectOutput.ObjectLockEventHold",
		"GetObjectOutput.ObjectLockEventHoldDurationDays", "GetObjectOutput.ObjectLockEventHoldDurationYears",
		"HeadObjectOutput.ExpiresString", "HeadObjectOutput.ObjectLockEventHold",
		"HeadObjectOutput.ObjectLockEventHoldDurationDays", "HeadObjectOutput.ObjectLockEventHoldDurationYears",
		"MetadataConfiguration.AnnotationTableConfiguration", "MetadataConfigurationResult.AnnotationTableConfigurationResult",
		"ObjectLockRetention.EventHold", "ObjectLockRetention.EventHoldDuration",
		"PutObjectInput.ObjectLockEventHold", "PutObjectInput.ObjectLockEventHoldDurationDays", "PutObjectInput.ObjectLockEventHoldDurationYears",
	},
}

// newerHeaders are the headers that they go by.
var newerHeaders = []string{
	"X-Amz-Object-Annotation-Directive", "X-Amz-Object-Lock-Event-Hold", "X-Amz-Object-Lock-Event-Hold-Duration-Days", "X-Amz-Object-Lock-Event-Hold-Duration-Years",
}

func TestEveryDescribedOperationFitsTheSDK(t *testing.T) {
	t.Parallel()
	for name, ops := range operations(nil) {
		s := service(t, name, ops)
		implemented, missing := s.Coverage()
		if len(implemented) != len(s.desc.Operations) {
			t.Errorf("%s: %d operations are bound, %d described", name, len(implemented), len(s.desc.Operations))
		}
		if slices.ContainsFunc(missing, func(m string) bool { return slices.Contains(implemented, m) }) {
			t.Errorf("%s: an operation is both implemented and missing", name)
		}
		if got := unbound(s); name != elsewhere && !slices.Equal(got, newer[name]) {
			t.Errorf("%s: SDK fields without descriptor (-want +got):\n%s", name, gocmp.Diff(newer[name], got))
		}
	}
}

// unbound is the exported SDK fields that no member is tied to.
func unbound(s *Service) []string {
	var found []string
	seen := map[*bind.Type]bool{}
	var walk func(t *bind.Type)
	walk = func(t *bind.Type) {
		if t == nil || seen[t] {
			return
		}
		seen[t] = true
		walk(t.Elem)
		walk(t.Key)
		bound := map[int]bool{}
		for _, f := range t.Fields {
			bound[f.Index] = true
			walk(f.Type)
		}
		for i := 0; t.Kind == bind.Struct && i < t.Go.NumField(); i++ {
			f := t.Go.Field(i)
			if f.IsExported() && !bound[i] && f.Name != "ResultMetadata" {
				found = append(found, t.Go.Name()+"."+f.Name)
			}
		}
	}
	for _, op := range s.faces[0].ops {
		walk(op.input)
		walk(op.output)
	}
	slices.SortFunc(found, cmp.Compare[string])
	return slices.Compact(found)
}

func TestNewServiceRefusesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	type input struct{ Cluster *int32 }
	type output struct{}
	in, out := reflect.TypeFor[input](), reflect.TypeFor[output]()
	for _, tc := range []struct {
		name, service string
		op            Operation
	}{
		{"a member of another type", "ecs", made("DeleteCluster", in, out)},
		{"a member that is not there", "sts", made("GetCallerIdentity", out, out)},
		{"an operation that is not described", "ecs", made("CreateTaskSet", out, out)},
		{"a service that is not described", "s3", made("GetObject", out, out)},
	} {
		if _, err := NewService(tc.service, tc.op); err == nil {
			t.Errorf("%s: no error", tc.name)
		}
	}
}

// made is an operation of that name whose input and output are of those types.
func made(name string, in, out reflect.Type) Operation {
	return Declared[struct{}]{&spec{name: name, in: in, out: out}}
}
