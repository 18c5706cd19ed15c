package wire

import (
	"context"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elbv2 "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/google/go-cmp/cmp"
)

func TestDecode(t *testing.T) {
	t.Parallel()
	all := operations(nil)
	for _, tc := range []struct {
		name, service, operation, body string
		want                           any
	}{
		{"an absent body", "ecs", "ListClusters", ``, &ecs.ListClustersInput{}},
		{"null is absent", "ecs", "ListClusters", `{"maxResults":null}`, &ecs.ListClustersInput{}},
		{"an empty list is a list", "ecs", "DescribeClusters", `{"clusters":[]}`, &ecs.DescribeClustersInput{Clusters: []string{}}},
		{"escapes", "ecs", "DescribeClusters", ` { "clusters" : [ "a\u00e9\n" , "\ud83d\ude00é" ] } `, &ecs.DescribeClustersInput{Clusters: []string{"aé\n", "\U0001F600é"}}},
		{"a whole number with an exponent", "ecs", "ListClusters", `{"maxResults":1e1}`, &ecs.ListClustersInput{MaxResults: aws.Int32(10)}},
		{
			"the last of two names counts", "ecs", "CreateCluster", `{"tags":[{"key":"a"},{"key":"b"}],"tags":[{"key":"c"}]}`,
			&ecs.CreateClusterInput{Tags: []ecstypes.Tag{{Key: aws.String("c")}}},
		},
		{"an empty list in a query", "elasticloadbalancing", "DescribeLoadBalancers", "Names=", &elbv2.DescribeLoadBalancersInput{Names: []string{}}},
		{
			"elements in the order of their numbers", "ec2", "DescribeVpcs", "VpcId.10=c&VpcId.2=b&VpcId.1=a&DryRun=false",
			&ec2.DescribeVpcsInput{VpcIds: []string{"a", "b", "c"}, DryRun: aws.Bool(false)},
		},
		{
			"lists in lists", "ec2", "AuthorizeSecurityGroupIngress",
			"GroupId=sg-1&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=80&IpPermissions.1.ToPort=80&IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0%2F0&IpPermissions.1.Groups.1.GroupId=sg-2",
			&ec2.AuthorizeSecurityGroupIngressInput{GroupId: aws.String("sg-1"), IpPermissions: []ec2types.IpPermission{{
				IpProtocol: aws.String("tcp"), FromPort: aws.Int32(80), ToPort: aws.Int32(80),
				IpRanges:         []ec2types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}},
				UserIdGroupPairs: []ec2types.UserIdGroupPair{{GroupId: aws.String("sg-2")}},
			}}},
		},
	} {
		s := service(t, tc.service, all[tc.service])
		r, body := requestOf(s, tc.operation, tc.body)
		c, err := s.Decode(r, body)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if diff := cmp.Diff(tc.want, c.Input, comparers...); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

func TestAQueryMayBeInTheURL(t *testing.T) {
	t.Parallel()
	s := service(t, "sts", operations(nil)["sts"])
	r := httptest.NewRequest("GET", "/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Signature=abc&X-Amz-Expires=60", nil)
	c, err := s.Decode(r, nil)
	if err != nil || c.Operation != "GetCallerIdentity" {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestACallRunsItsHandler(t *testing.T) {
	t.Parallel()
	s, err := NewService("ecs", Op("DeleteCluster", func(_ context.Context, in *ecs.DeleteClusterInput) (*ecs.DeleteClusterOutput, error) {
		return &ecs.DeleteClusterOutput{Cluster: &ecstypes.Cluster{ClusterName: in.Cluster, Tags: []ecstypes.Tag{}}}, nil
	}).On("cluster: cluster").Takes("cluster"))
	if err != nil {
		t.Fatal(err)
	}
	r, body := requestOf(s, "DeleteCluster", `{"cluster":"web"}`)
	c, err := s.Decode(r, body)
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.Do(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	if err := s.Encode(w, c, "req-1", out); err != nil {
		t.Fatal(err)
	}
	want := `{"cluster":{"activeServicesCount":0,"clusterName":"web","pendingTasksCount":0,"registeredContainerInstancesCount":0,"runningTasksCount":0,"tags":[]}}`
	if w.Body.String() != want {
		t.Errorf("\n got %s\nwant %s", w.Body, want)
	}
	if err := s.Encode(w, c, "req-1", &ecs.CreateClusterOutput{}); err == nil {
		t.Error("an output of another operation is written")
	}
}
