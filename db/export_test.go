package db

import "context"

// Constraints are the names in the table of constraints, with their code and
// sentence, for the test that holds them against the catalog.
func Constraints() map[string][2]string {
	m := map[string][2]string{}
	for name, c := range constraints {
		m[name] = [2]string{c.code, c.detail}
	}
	return m
}

// DataDir is where PostgreSQL keeps the cluster's files.
func DataDir(cfg ClusterConfig) (string, error) {
	c, err := newCluster(cfg)
	if err != nil {
		return "", err
	}
	return c.dataDir, nil
}

// DialAsAnother connects as a process would that expects the server to run as
// another user than it does.
func DialAsAnother(ctx context.Context, cfg ClusterConfig) error {
	c, err := newCluster(cfg)
	if err != nil {
		return err
	}
	c.runAs.Uid++
	conn, err := c.dial(ctx)
	if err == nil {
		closeConn(conn)
	}
	return err
}
