# The REST methods of the sample portal and the people in it.
#
# Users are numbers. 1..admins are administrators; users come in departments of
# ten (20 to 29 and so on), and the one whose number ends in 0 is the head.
#
# Counters are a function of who asks, about whom, for which group and role, and
# of the revision. Their values and the member "whose" name all five, so that an
# answer which reached the wrong person shows it.
#
# A method returns a hash: result (a Portal::Map or JSON text by reference),
# total if it has one, or status, error and error_description.

package Portal::Methods;

use v5.36;

use Exporter qw(import);
use Time::HiRes qw(time);

use Portal::Map;

our @EXPORT_OK = qw(counters_of);

my %TYPE = map { $_ => 1 }
    qw(view_all view_role_responsible view_role_accomplice
       view_role_auditor view_role_originator);

my %METHOD = (
    'tasks.task.counters.get' => \&task_counters,
    'im.counters.get'         => \&chat_counters,
    'tasks.task.get'          => \&task,
    'profile'                 => \&profile,
    'user.current'            => \&current_user,
    'server.time'             => \&server_time,
);


sub new ($class, $settings) {
    my $self = bless { settings => $settings }, $class;
    $self->clear;
    return $self;
}


sub clear ($self) {
    $self->{bumped} = {};       # user => revisions of his own
    $self->{tasks} = {};        # id => who takes part
    $self->{results} = [];      # results put in place of the real ones
}


sub known ($self, $method) {
    return exists $METHOD{$method};
}


# $call: method, user (the caller), params

sub execute ($self, $call) {
    for my $put (@{ $self->{results} }) {
        next if $put->{method} ne $call->{method};
        next if defined $put->{user} && $put->{user} != $call->{user};

        my $text = $put->{text};

        return { result => \$text,
                 defined $put->{total} ? (total => $put->{total}) : () };
    }

    my $method = $METHOD{ $call->{method} }
        or return failure(404, 'ERROR_METHOD_NOT_FOUND', 'Method not found!');

    return $method->($self, $call);
}


sub failure ($status, $error, $description) {
    return { status => $status, error => $error,
             error_description => $description };
}


sub exists_user ($self, $user) {
    return $user >= 1 && $user <= $self->{settings}{users};
}


sub is_admin ($self, $user) {
    return $user <= $self->{settings}{admins};
}


sub may_see ($self, $caller, $user) {
    return $caller == $user
        || $self->is_admin($caller)
        || ($caller % 10 == 0 && int($caller / 10) == int($user / 10));
}


sub revision ($self, $user) {
    my $settings = $self->{settings};
    my $change = $settings->{change};

    return $settings->{revision} + ($self->{bumped}{$user} // 0)
           + ($change > 0 ? int(time / $change) : 0);
}


# --- tasks

sub task_counters ($self, $call) {
    my $params = $call->{params};
    my %number;

    for my $name (qw(userId groupId)) {
        my $value = $params->get($name) // 0;
        $value = '' if ref $value;
        $value = 0 if $value eq '' && !$params->has($name);

        return failure(400, '0', "Invalid value {$value} to match with parameter"
                                 . " {$name}. Should be value of type int.")
            if $value !~ /^\s*[-+]?[0-9]{1,18}$/;

        $number{$name} = 0 + $value;
    }

    my $user = $number{userId} || $call->{user};
    my $group = $number{groupId};
    my $type = $params->get('type') // 'view_all';

    if ($group < 0 || $group > $self->{settings}{groups}) {
        return failure(400, '0',
                       'Group not found or access denied. (internal error)');
    }

    return { result => Portal::Map->of } if ref $type || !$TYPE{$type};

    if (!$self->exists_user($user) || !$self->may_see($call->{user}, $user)) {
        return { result => Portal::Map->of, total => 1 };
    }

    return { result => counters_of(caller => $call->{user}, user => $user,
                                   group => $group, type => $type,
                                   revision => $self->revision($user)),
             total => 1 };
}


sub counters_of (%about) {
    my ($caller, $user, $group, $revision) = @about{qw(caller user group revision)};

    return Portal::Map->of(
        expired => counter($user * 1000 + ($group + 7 * $revision) % 1000, 6_291_456),
        new_comments => counter($caller * 1000 + $revision % 1000, 12_582_912),
        whose => Portal::Map->of(
            caller   => \"$caller",
            user     => \"$user",
            group    => \"$group",
            type     => $about{type},
            revision => \"$revision",
        ),
    );
}


sub counter ($count, $code) {
    return Portal::Map->of(counter => \"$count", code => \"$code");
}


# Who takes part in a task: by control, otherwise four neighbours of its number

sub task ($self, $call) {
    my $id = $call->{params}->get('taskId') // $call->{params}->get('id');

    return failure(400, '100', 'CTaskItem All parameters in the constructor must'
                               . ' have real class type (internal error)')
        if !defined $id;

    return failure(400, '0', 'wrong task id')
        if ref $id || $id !~ /^[1-9][0-9]{0,9}$/;

    my $task = $self->{tasks}{$id};

    # 0 in place of the people: the task is gone
    return { result => Portal::Map->of } if defined $task && !ref $task;

    $task //= $self->sample_task($id);

    my @people = ($task->{createdBy}, $task->{responsibleId},
                  @{ $task->{accomplices} }, @{ $task->{auditors} });

    if (!$self->is_admin($call->{user})
        && !grep { $_ == $call->{user} } @people)
    {
        return { result => Portal::Map->of };
    }

    return { result => Portal::Map->of(task => Portal::Map->of(
        id            => $id,
        title         => "\xd0\x97\xd0\xb0\xd0\xb4\xd0\xb0\xd1\x87\xd0\xb0 $id",
        description   => 'see https://portal.example/tasks/',
        createdBy     => "$task->{createdBy}",
        responsibleId => "$task->{responsibleId}",
        accomplices   => Portal::Map->list(map { "$_" } @{ $task->{accomplices} }),
        auditors      => Portal::Map->list(map { "$_" } @{ $task->{auditors} }),
        group         => Portal::Map->of,
        creator       => Portal::Map->of(
            id   => "$task->{createdBy}",
            link => "/company/personal/user/$task->{createdBy}/"),
        responsible   => Portal::Map->of(
            id   => "$task->{responsibleId}",
            link => "/company/personal/user/$task->{responsibleId}/"),
    )) };
}


sub sample_task ($self, $id) {
    my $users = $self->{settings}{users};
    my @people = map { ($id - 1 + $_) % $users + 1 } 0 .. 3;

    return { createdBy   => $people[0],     responsibleId => $people[1],
             accomplices => [ $people[2] ], auditors      => [ $people[3] ] };
}


# --- messenger

# Empty maps are printed as [], all others as {}: one of each kind is here

sub chat_counters ($self, $call) {
    my $user = $call->{user};
    my $dialogs = 1 + ($user + $self->revision($user)) % 9;
    my $all = 4 + $dialogs;

    return { result => Portal::Map->of(
        TYPE => Portal::Map->of(
            ALL       => \"$all",     NOTIFY    => \'4',
            CHAT      => \'0',        LINES     => \'0',
            DIALOG    => \"$dialogs", MESSENGER => \"$dialogs"),
        CHAT          => Portal::Map->of,
        CHAT_MUTED    => Portal::Map->of(1317 => \'1', 1319 => \"$user"),
        CHAT_UNREAD   => Portal::Map->of,
        LINES         => Portal::Map->of,
        DIALOG        => Portal::Map->of($user + 1 => \"$dialogs"),
        DIALOG_UNREAD => Portal::Map->of,
    ) };
}


# --- people

sub profile ($self, $call) {
    my $user = $call->{user};

    return { result => Portal::Map->of(
        ID              => "$user",
        ADMIN           => $self->is_admin($user) ? \'true' : \'false',
        NAME            => "\xd0\x98\xd0\xb2\xd0\xb0\xd0\xbd",
        LAST_NAME       => "User $user",
        PERSONAL_GENDER => '',
        PERSONAL_PHOTO  => "https://portal.example/upload/main/$user.png",
        TIME_ZONE       => 'Europe/Berlin',
        TIME_ZONE_OFFSET => \'0',
    ) };
}


sub current_user ($self, $call) {
    my $user = $call->{user};
    my $department = int($user / 10);

    return { result => Portal::Map->of(
        ID            => "$user",
        ACTIVE        => \'true',
        NAME          => "\xd0\x98\xd0\xb2\xd0\xb0\xd0\xbd",
        LAST_NAME     => "User $user",
        EMAIL         => "user$user\@portal.example",
        IS_ONLINE     => 'Y',
        UF_DEPARTMENT => Portal::Map->list(\"$department"),
    ) };
}


sub server_time ($self, $call) {
    my @t = gmtime;

    return { result => sprintf '%04d-%02d-%02dT%02d:%02d:%02d+00:00',
                       $t[5] + 1900, $t[4] + 1, @t[3, 2, 1, 0] };
}

1;
