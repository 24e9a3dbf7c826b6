package db_test

import (
	"errors"
	"syscall"
	"testing"

	"homebase/db"
	"homebase/db/dbtest"

	"github.com/jackc/pgx/v5"
)

func TestInTx_AnErrorOfTheDiskIsNoneOfTheDatabase(t *testing.T) {
	t.Parallel()
	err := dbtest.New(t).InTx(t.Context(), func(pgx.Tx) error { return syscall.EIO })
	if kind, known := db.KindOf(err); known || !errors.Is(err, syscall.EIO) {
		t.Errorf("it is %v of kind %v", err, kind)
	}
}
