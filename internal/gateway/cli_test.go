package gateway

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/skylift/skylift/internal/arn"
	ec2api "github.com/skylift/skylift/internal/service/ec2/api"
	"github.com/skylift/skylift/internal/store/memstore"
)

// cli runs the aws command against g.
func cli(t *testing.T, g gate, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath("aws")
	if err != nil {
		if strings.Contains(os.Getenv("REQUIRE"), "aws") {
			t.Fatal(err)
		}
		t.Skip("the aws command is not here")
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+g.url, "AWS_DEFAULT_REGION="+region, "AWS_CONFIG_FILE=/dev/null",
		"AWS_ACCESS_KEY_ID="+rootKey.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+rootKey.SecretAccessKey)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// TestRealCLI asks through the aws command.
func TestRealCLI(t *testing.T) {
	t.Parallel()
	g, _ := open(t, nil)
	out, err := cli(t, g, "sts", "get-caller-identity", "--output", "json")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var who struct{ Account, Arn, UserID string }
	if err := json.Unmarshal([]byte(out), &who); err != nil || who.Arn != root || who.Account != account || who.UserID != account {
		t.Errorf("got %s, %v", out, err)
	}
}

// TestRealCLIOnNetworks opens and closes a security group by the forms that
// the aws command has for it.
func TestRealCLIOnNetworks(t *testing.T) {
	t.Parallel()
	db := memstore.New()
	defer db.Close()
	network := ec2api.New(db, arn.Namespace{Region: region, Account: account}, ec2api.Host{})
	if err := network.EnsureDefaults(t.Context()); err != nil {
		t.Fatal(err)
	}
	g, _ := open(t, func(c *Config) { c.Services[2] = service(t, "ec2", network.Operations()...) })
	run := func(line string) (string, error) {
		return cli(t, g, append(strings.Fields(line), "--output", "text")...)
	}
	web, err := run("ec2 create-security-group --group-name web --description web --query GroupId")
	if err != nil {
		t.Fatalf("%v\n%s", err, web)
	}
	for _, tc := range []struct{ line, want string }{
		{"ec2 describe-subnets --filters Name=default-for-az,Values=true --query sort(Subnets[].CidrBlock)", "172.31.0.0/20\t172.31.16.0/20\t172.31.32.0/20"},
		{"ec2 authorize-security-group-ingress --group-name web --protocol tcp --port 80-90 --cidr 10.0.0.0/8 --query Return", "True"},
		{"ec2 authorize-security-group-ingress --group-id WEB --protocol all --source-group WEB --query SecurityGroupRules[].IpProtocol", "-1"},
		{"ec2 authorize-security-group-ingress --group-id WEB --protocol icmp --port -1 --cidr 0.0.0.0/0 --query Return", "True"},
		{"ec2 authorize-security-group-ingress --group-id WEB --protocol tcp --port 80-90 --cidr 10.0.0.0/8", `An error occurred (InvalidPermission.Duplicate) when calling the AuthorizeSecurityGroupIngress operation: the specified rule "peer: 10.0.0.0/8, TCP, from port: 80, to port: 90, ALLOW" already exists`},
		{"ec2 describe-security-groups --group-names web --query SecurityGroups[].IpPermissions[].IpProtocol", "tcp\t-1\ticmp"},
		{"ec2 revoke-security-group-ingress --group-id WEB --protocol tcp --port 80-90 --cidr 10.0.0.0/8 --query Return", "True"},
		{"ec2 revoke-security-group-egress --group-id WEB --protocol all --cidr 0.0.0.0/0 --query Return", "True"},
		{"ec2 describe-network-interfaces --query length(NetworkInterfaces)", "0"},
		{"ec2 describe-subnets --filters Name=colour,Values=red", "An error occurred (InvalidParameterValue) when calling the DescribeSubnets operation: The filter 'colour' is invalid"},
		{"ec2 delete-security-group --group-id WEB --dry-run", "An error occurred (DryRunOperation) when calling the DeleteSecurityGroup operation: Request would have succeeded, but DryRun flag is set."},
		{"ec2 delete-security-group --group-id WEB --query Return", "True"},
	} {
		out, _ := run(strings.ReplaceAll(tc.line, "WEB", web))
		if out != tc.want {
			t.Errorf("aws %s:\n got %s\nwant %s", tc.line, out, tc.want)
		}
	}
}
