//! The schema: which migrations bring each of the databases up to date, on SQLite and on PostgreSQL, and back.
//!
//! Two folders with one text each way; a test holds them equal in every table, column, constraint and index.

use sqlx::{
    AnyConnection, AnyPool, Connection, Executor, SqlSafeStr,
    migrate::{Migration, MigrationType, Migrator},
};

use super::{
    StoreError,
    columns::{number, text},
    dialect::{self, Dialect, Part},
    seat::Seat,
};

/// One step of a schema.
struct Step {
    version: i64,
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
    /// The way back, for both: what it would lose stands in its first lines. None where the tables are evidence.
    back: Option<&'static str>,
}

/// Brings a database up to date that no gateway has open here.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Migration`].
pub async fn up(url: &str, part: Part) -> Result<(), StoreError> {
    let pool = dialect::pool(url, part, 1).await?;
    let done = migrate(&pool, url, part).await;
    pool.close().await;
    done
}

/// The version of the schema that a database has; nothing before the first start.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn version(url: &str, part: Part) -> Result<Option<i64>, StoreError> {
    let failed = |e| StoreError::Unavailable("schema_version", e);
    let mut connection = dialect::look(url, part).await.map_err(failed)?;
    let found = match sqlx::query(VERSION).fetch_optional(&mut connection).await {
        Err(error) if dialect::no_such_table(&error) => None,
        found => found.map_err(failed)?.map(|row| number(&row, "version")).transpose()?,
    };
    connection.close().await.map_err(failed)?;
    Ok(found)
}

/// Takes a database back to a version, while no gateway has it open.
///
/// # Errors
/// [`StoreError::WouldLose`] when a row would be lost, [`StoreError::NoWayBack`], [`StoreError::Running`].
pub async fn back(url: &str, part: Part, to: i64) -> Result<(), StoreError> {
    let failed = |e| StoreError::Unavailable("migrate", e);
    let have = version(url, part).await?.unwrap_or(0);
    let undone = || steps(part).iter().filter(|step| step.version > to && step.version <= have);
    if to > have || to < 1 || steps(part).last().is_none_or(|newest| newest.version < have) {
        return Err(StoreError::NoWayBack(have, to));
    }
    let pool = dialect::pool(url, part, 2).await?;
    let dialect = Dialect::of(url, part);
    let seat = Seat::of_notary(&pool, dialect).await?.ok_or(StoreError::Running)?;
    for step in undone() {
        let back = step.back.ok_or(StoreError::NoWayBack(have, to))?;
        for lost in back.lines().filter_map(|line| line.strip_prefix("-- loses: ")) {
            let any = sqlx::AssertSqlSafe(format!("SELECT 1 AS one FROM {lost} LIMIT 1"));
            if sqlx::query(any).fetch_optional(&pool).await.map_err(failed)?.is_some() {
                return Err(StoreError::WouldLose(lost.to_owned()));
            }
        }
    }
    match dialect {
        Dialect::Sqlite => migrator(part, dialect).undo(&pool, to).await.map_err(StoreError::Migration)?,
        Dialect::Postgres(_) => {
            let mut connection = alone(url, part).await?;
            migrator(part, dialect).undo(&mut connection, to).await.map_err(StoreError::Migration)?;
            connection.close().await.map_err(failed)?;
        }
    }
    seat.leave().await;
    pool.close().await;
    Ok(())
}

/// Brings the schema up to date; a migration that was changed after it ran is an error. Of several replicas that start at
/// once, one migrates and the others wait for it.
pub(crate) async fn migrate(pool: &AnyPool, url: &str, part: Part) -> Result<(), StoreError> {
    match Dialect::of(url, part) {
        dialect @ Dialect::Sqlite => migrator(part, dialect).run(pool).await.map_err(StoreError::Migration),
        dialect @ Dialect::Postgres(_) => {
            let mut connection = alone(url, part).await?;
            migrator(part, dialect).run_direct(None, &mut connection, false).await.map_err(StoreError::Migration)?;
            // The turn ends with the session.
            connection.close().await.map_err(|e| StoreError::Unavailable("migrate", e))
        }
    }
}

/// A session in the schema of a part, which is made if it is not there, with the turn to change it. Replicas of the version
/// before write again when it ends.
async fn alone(url: &str, part: Part) -> Result<AnyConnection, StoreError> {
    let failed = |e| StoreError::Unavailable("migrate", e);
    let mut connection = AnyConnection::connect(url).await.map_err(failed)?;
    connection.execute(TURN).await.map_err(failed)?;
    connection.execute(Dialect::Postgres(part).whole_turn()).await.map_err(failed)?;
    let made = sqlx::query(MADE).fetch_one(&mut connection).await.map_err(failed)?;
    let (encoding, collation) = (text(&made, "encoding")?, text(&made, "collation")?);
    if encoding != "UTF8" || !["C", "POSIX", "C.UTF-8", "C.utf8"].contains(&collation.as_str()) {
        return Err(StoreError::Locale(encoding, collation));
    }
    // Asked first: who may not create schemas may still use one that was made for it.
    let name = part.as_str();
    if sqlx::query(SCHEMA_THERE).bind(name).fetch_optional(&mut connection).await.map_err(failed)?.is_none() {
        connection.execute(sqlx::AssertSqlSafe(format!("CREATE SCHEMA {name}"))).await.map_err(failed)?;
    }
    connection.execute(sqlx::AssertSqlSafe(format!("SET search_path TO {name}"))).await.map_err(failed)?;
    Ok(connection)
}

fn migrator(part: Part, dialect: Dialect) -> Migrator {
    let one = |step: &Step, kind, sql: &'static str| Migration::new(step.version, step.name.into(), kind, sql.into_sql_str(), false);
    let steps = steps(part).iter().flat_map(|step| {
        let sql = match dialect {
            Dialect::Sqlite => step.sqlite,
            Dialect::Postgres(_) => step.postgres,
        };
        let back = step.back.map(|back| one(step, MigrationType::ReversibleDown, back));
        [Some(one(step, MigrationType::ReversibleUp, sql)), back].into_iter().flatten()
    });
    let mut migrator = Migrator::with_migrations(steps.collect());
    migrator.set_locking(false);
    migrator
}

const fn steps(part: Part) -> &'static [Step] {
    match part {
        Part::Gateway => GATEWAY,
        Part::Vault => VAULT,
        Part::Keys => KEYS,
        Part::Attachments => ATTACHMENTS,
    }
}

const GATEWAY: &[Step] = &[
    Step {
        version: 1,
        name: "heart",
        sqlite: include_str!("../../schema/sqlite/gateway/0001_heart.sql"),
        postgres: include_str!("../../schema/postgres/gateway/0001_heart.sql"),
        back: None,
    },
    Step {
        version: 2,
        name: "policy_sets",
        sqlite: include_str!("../../schema/sqlite/gateway/0002_policy_sets.sql"),
        postgres: include_str!("../../schema/postgres/gateway/0002_policy_sets.sql"),
        back: None,
    },
    Step {
        version: 3,
        name: "tasks",
        sqlite: include_str!("../../schema/sqlite/gateway/0003_tasks.sql"),
        postgres: include_str!("../../schema/postgres/gateway/0003_tasks.sql"),
        back: Some(include_str!("../../schema/down/gateway/0003_tasks.sql")),
    },
    Step {
        version: 4,
        name: "vault_acts",
        sqlite: include_str!("../../schema/sqlite/gateway/0004_vault_acts.sql"),
        postgres: include_str!("../../schema/postgres/gateway/0004_vault_acts.sql"),
        back: Some(include_str!("../../schema/down/gateway/0004_vault_acts.sql")),
    },
    Step {
        version: 5,
        name: "statement",
        sqlite: include_str!("../../schema/sqlite/gateway/0005_statement.sql"),
        postgres: include_str!("../../schema/postgres/gateway/0005_statement.sql"),
        back: Some(include_str!("../../schema/down/gateway/0005_statement.sql")),
    },
    Step {
        version: 6,
        name: "attachments",
        sqlite: include_str!("../../schema/sqlite/gateway/0006_attachments.sql"),
        postgres: include_str!("../../schema/postgres/gateway/0006_attachments.sql"),
        back: Some(include_str!("../../schema/down/gateway/0006_attachments.sql")),
    },
    Step {
        version: 7,
        name: "pending",
        sqlite: include_str!("../../schema/sqlite/gateway/0007_pending.sql"),
        postgres: include_str!("../../schema/postgres/gateway/0007_pending.sql"),
        back: Some(include_str!("../../schema/down/gateway/0007_pending.sql")),
    },
    Step {
        version: 8,
        name: "retention",
        sqlite: include_str!("../../schema/sqlite/gateway/0008_retention.sql"),
        postgres: include_str!("../../schema/postgres/gateway/0008_retention.sql"),
        back: Some(include_str!("../../schema/down/gateway/0008_retention.sql")),
    },
    Step {
        version: 9,
        name: "rectification",
        sqlite: include_str!("../../schema/sqlite/gateway/0009_rectification.sql"),
        postgres: include_str!("../../schema/postgres/gateway/0009_rectification.sql"),
        back: Some(include_str!("../../schema/down/gateway/0009_rectification.sql")),
    },
    Step {
        version: 10,
        name: "look",
        sqlite: include_str!("../../schema/sqlite/gateway/0010_look.sql"),
        postgres: include_str!("../../schema/postgres/gateway/0010_look.sql"),
        back: Some(include_str!("../../schema/down/gateway/0010_look.sql")),
    },
    Step {
        version: 11,
        name: "drops",
        sqlite: include_str!("../../schema/sqlite/gateway/0011_drops.sql"),
        postgres: include_str!("../../schema/postgres/gateway/0011_drops.sql"),
        back: Some(include_str!("../../schema/down/gateway/0011_drops.sql")),
    },
    Step {
        version: 12,
        name: "portal",
        sqlite: include_str!("../../schema/sqlite/gateway/0012_portal.sql"),
        postgres: include_str!("../../schema/postgres/gateway/0012_portal.sql"),
        back: Some(include_str!("../../schema/down/gateway/0012_portal.sql")),
    },
    Step {
        version: 13,
        name: "sign_out",
        sqlite: include_str!("../../schema/sqlite/gateway/0013_sign_out.sql"),
        postgres: include_str!("../../schema/postgres/gateway/0013_sign_out.sql"),
        back: Some(include_str!("../../schema/down/gateway/0013_sign_out.sql")),
    },
    Step {
        version: 14,
        name: "mail",
        sqlite: include_str!("../../schema/sqlite/gateway/0014_mail.sql"),
        postgres: include_str!("../../schema/postgres/gateway/0014_mail.sql"),
        back: Some(include_str!("../../schema/down/gateway/0014_mail.sql")),
    },
];

const VAULT: &[Step] = &[Step {
    version: 1,
    name: "vault",
    sqlite: include_str!("../../schema/sqlite/vault/0001_vault.sql"),
    postgres: include_str!("../../schema/postgres/vault/0001_vault.sql"),
    back: None,
}];

const KEYS: &[Step] = &[Step {
    version: 1,
    name: "keys",
    sqlite: include_str!("../../schema/sqlite/keys/0001_keys.sql"),
    postgres: include_str!("../../schema/postgres/keys/0001_keys.sql"),
    back: None,
}];

const ATTACHMENTS: &[Step] = &[Step {
    version: 1,
    name: "attachments",
    sqlite: include_str!("../../schema/sqlite/attachments/0001_attachments.sql"),
    postgres: include_str!("../../schema/postgres/attachments/0001_attachments.sql"),
    back: None,
}];

/// One start at a time. Held until the session ends; a migration may take its time.
const TURN: &str = "SELECT pg_advisory_lock(1346458451, 0)";

const VERSION: &str = "-- schema_version
SELECT version FROM _sqlx_migrations ORDER BY version DESC LIMIT 1";

// Text is compared byte by byte on SQLite: another order here would be another answer, and an index is only as good as the
// locale that the operating system had when it was built.
const MADE: &str = "-- made
SELECT pg_encoding_to_char(encoding)::text AS encoding, datcollate::text AS collation FROM pg_database WHERE datname = current_database()";

const SCHEMA_THERE: &str = "-- schema_there
SELECT nspname::text AS name FROM pg_namespace WHERE nspname = $1";

#[cfg(test)]
mod tests;
