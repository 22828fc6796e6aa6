/* Every key of a policy file, once: the parser and the page in docs/ both read this table. */
#include "policy/policy_private.h"

const char *const policy_code_words[] = {"none", "listed", "any", NULL};

#define AT(field) .offset = offsetof(struct policy, field)
#define COUNTED(field) AT(field), .count_offset = offsetof(struct policy, n_##field)
#define LIMIT(field, largest) .kind = POLICY_INT, AT(limits.field), .most = (largest), .absent = "0: no limit"

const struct policy_key policy_keys[] = {
    {"submitters", "users", POLICY_NAMES, COUNTED(users), .most = 2048, .absent = "nobody", .value = "list of names",
     .sentence = "these users of the project may submit jobs to this site"},
    {"submitters", "roles", POLICY_ROLES, AT(roles), .most = 3, .absent = "none",
     .value = "list of `admin`, `lead`, `member`", .sentence = "and so may all users with one of these roles"},
    {"jobs", "smallest_cohort", POLICY_INT, AT(smallest_cohort), .least = 1, .most = JOB_MAX_SITES, .fallback = 2,
     .absent = "2",
     .sentence = "fewest updates that may be put together: `round.quorum` of the job must be at least this"},
    {"jobs", "folder_mib", POLICY_INT, AT(folder_mib), .least = 1, .most = BUNDLE_MAX_BYTES >> 20,
     .fallback = BUNDLE_MAX_BYTES >> 20, .absent = "256", .sentence = "largest job folder, unpacked, in MiB"},
    {"jobs", "folder_files", POLICY_INT, AT(folder_files), .least = 1, .most = BUNDLE_MAX_FILES,
     .fallback = BUNDLE_MAX_FILES, .absent = "10000", .sentence = "most files in it"},
    {"code", "allow", POLICY_CODE, AT(code), .fallback = POLICY_CODE_NONE, .absent = "none",
     .value = "`none`, `listed`, `any`",
     .sentence = "which programs and code of a job may run: none, those listed below, or any"},
    {"code", "commands", POLICY_COMMANDS, COUNTED(commands), .most = 1024, .absent = "none",
     .value = "list of lists of words",
     .sentence = "with `listed`: the job's command must be one of these, word by word; a word may be a shell pattern"},
    {"code", "digests", POLICY_DIGESTS, COUNTED(digests), .most = 65536, .absent = "none",
     .value = "list of SHA-256, 64 digits each",
     .sentence = "with `listed`: each file of the job folder, but its job file, must have one of these"},
    {"code", "environment", POLICY_VARIABLES, COUNTED(environment), .most = 256, .absent = "none",
     .value = "list of names", .sentence = "with `listed`: the only variables that a job may set for its program"},
    {"resources", "cpu_s", LIMIT(cpu_s, 31536000), .sentence = "processor seconds of each process of a trainer"},
    {"resources", "memory_mib", LIMIT(memory_mib, 1 << 30),
     .sentence = "memory (address space) of each of them, in MiB"},
    {"resources", "open_files", LIMIT(open_files, 1 << 20), .sentence = "open files of each of them"},
    {"resources", "processes", LIMIT(processes, 1 << 20), .sentence = "processes and threads of the user they run as"},
    {"resources", "disk_mib", LIMIT(disk_mib, 1 << 30), .sentence = "size of each file that they write, in MiB"},
    {"resources", "wall_s", LIMIT(wall_s, 31536000), .sentence = "seconds for one task"},
    {"privacy", "default", POLICY_SCOPE, AT(default_scope), .absent = "none", .value = "name of a scope",
     .sentence = "scope of the jobs that name none"},
    {"privacy", "scopes", POLICY_SCOPES, COUNTED(scopes), .most = 256, .absent = "none: no filters",
     .value = "map of name to `{filters: [...]}`",
     .sentence = "what is done to the updates of a job in this scope, before they leave the site"},
    {"authorization", "program", POLICY_PROGRAM, AT(program), .absent = "no other check", .value = "absolute path",
     .sentence = "asked last, for each job that all the rules above allow"},
    {"authorization", "timeout_s", POLICY_INT, AT(timeout_s), .least = 1, .most = 300, .fallback = 10, .absent = "10",
     .sentence = "seconds after which no answer is a no"},
};
const size_t n_policy_keys = sizeof policy_keys / sizeof *policy_keys;

enum anb_status policy_markdown(struct buf *out, struct anb_error *err)
{
    enum anb_status status =
        buf_append_text(out, "| key | value | when not given | what it says |\n|---|---|---|---|\n", err);
    for (size_t i = 0; status == ANB_OK && i < n_policy_keys; i++) {
        const struct policy_key *key = &policy_keys[i];
        status = buf_printf(out, err, "| `%s.%s` | ", key->section, key->name);
        if (status == ANB_OK && key->value) status = buf_append_text(out, key->value, err);
        if (status == ANB_OK && !key->value)
            status = buf_printf(out, err, "%lld..%lld", (long long)key->least, (long long)key->most);
        if (status == ANB_OK) status = buf_printf(out, err, " | %s | %s |\n", key->absent, key->sentence);
    }
    return status;
}
